//! Payloads written to files of their own, one a message.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::failure::Failure;
use crate::control::Code;

/// Most characters of a topic in a file's name.
const TOPIC: usize = 64;

/// A directory that gets a file for each payload: `000001-TOPIC` and so on, never one that is there already.
#[derive(Debug)]
pub(super) struct PayloadFiles {
    directory: PathBuf,
    last: u64,
}

impl PayloadFiles {
    /// Takes the directory, which is made where only it is missing. Numbers go on where files in it end.
    pub(super) fn in_directory(directory: PathBuf) -> Result<Self, Failure> {
        match fs::create_dir(&directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(failed("make", &directory, &error));
            }
            _ => {}
        }
        let entries = fs::read_dir(&directory).map_err(|error| failed("read", &directory, &error))?;
        let last = entries.flatten().filter_map(|entry| number(entry.file_name().to_str()?)).max();
        Ok(PayloadFiles { directory, last: last.unwrap_or(0) })
    }

    /// Writes a payload that came on `topic` and returns its file. Of one that can't be written nothing is left.
    pub(super) fn write(&mut self, topic: &str, payload: &[u8]) -> Result<PathBuf, Failure> {
        let (path, mut file) = self.create(topic)?;
        match file.write_all(payload) {
            Ok(()) => Ok(path),
            Err(error) => {
                // It says that it could not be written; a part that stays would be no news.
                let _ = fs::remove_file(&path);
                Err(failed("write", &path, &error))
            }
        }
    }

    /// Makes a file that was not there: another command may write to the same directory.
    fn create(&mut self, topic: &str) -> Result<(PathBuf, File), Failure> {
        loop {
            self.last = self.last.saturating_add(1);
            let path = self.directory.join(format!("{:06}-{}", self.last, name(topic)));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok((path, file)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && self.last < u64::MAX => {}
                Err(error) => return Err(failed("make", &path, &error)),
            }
        }
    }
}

/// The number that a file's name begins with; digits alone, or with a dash behind them.
fn number(name: &str) -> Option<u64> {
    name.split('-').next()?.parse().ok()
}

/// A topic as a part of a file's name: letters, digits and `._-` of ASCII, and `_` for everything else.
fn name(topic: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    topic.chars().take(TOPIC).map(plain).collect()
}

fn failed(action: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(Code::Failure, format!("can't {action} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_topic_leads_out_of_the_directory() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("out");
        let mut files = PayloadFiles::in_directory(directory.clone()).unwrap();
        for (topic, file) in [
            ("log.kernel", "000001-log.kernel"),
            ("../../etc/passwd", "000002-.._.._etc_passwd"),
            ("/", "000003-_"),
            ("grüße \x1b", "000004-gr__e__"),
        ] {
            assert_eq!(files.write(topic, b"x").unwrap(), directory.join(file));
        }
        let long = files.write(&"t".repeat(255), b"x").unwrap();
        assert_eq!(long.file_name().unwrap().len(), 7 + TOPIC);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }

    #[test]
    fn nothing_that_is_there_is_written_over() {
        let place = tempfile::tempdir().unwrap();
        let path = |name| place.path().join(name);
        fs::write(path("000041-t"), "old").unwrap();
        fs::write(path("letter"), "old").unwrap();
        let mut files = PayloadFiles::in_directory(place.path().to_owned()).unwrap();
        // Another command takes the next number, and a link waits at the one after.
        fs::write(path("000042-t"), "theirs").unwrap();
        std::os::unix::fs::symlink(path("letter"), path("000043-t")).unwrap();
        assert_eq!(files.write("t", b"new").unwrap(), path("000044-t"));
        for (name, text) in
            [("000041-t", "old"), ("000042-t", "theirs"), ("letter", "old"), ("000044-t", "new")]
        {
            assert_eq!(fs::read_to_string(path(name)).unwrap(), text);
        }
    }

    #[test]
    fn a_directory_that_cannot_be_is_said() {
        for path in ["/dev/null", "/no/such/place"] {
            let error = PayloadFiles::in_directory(path.into()).unwrap_err();
            assert!(matches!(error, Failure::Told { code: Code::Failure, .. }), "{error:?}");
        }
    }
}
