//! What a file holds: a region, nothing yet, or somebody else's data.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use ivring_proto::layout::MAGIC;
use nix::errno::Errno;
use nix::unistd::{Whence, lseek};

/// What was found in a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Zeros from end to end: nobody has used it.
    Zero,
    /// It begins as a region does.
    Region,
    /// It begins with another magic.
    Magic(u64),
    /// It begins with zeros, and other bytes follow in the block that begins here.
    NotZero(u64),
}

/// Bytes read at once.
const BLOCK: usize = 64 * 1024;

/// Reads the beginning, and where that is zero, the rest.
///
/// Holes are skipped, so a sparse file costs little whatever its size. Nothing is mapped and nothing is changed but
/// the file's read position.
pub(super) fn content_of(file: &File, size: u64) -> io::Result<Content> {
    let mut first = [0; 8];
    file.read_exact_at(&mut first, 0)?;
    match u64::from_le_bytes(first) {
        MAGIC => return Ok(Content::Region),
        0 => {}
        magic => return Ok(Content::Magic(magic)),
    }
    let mut block = vec![0; BLOCK];
    let mut at = 0;
    while let Some(data) = next_data(file, at)?.filter(|&data| data < size) {
        at = data;
        let read = match file.read_at(&mut block, at) {
            // The file became shorter under our hands; its size is checked again after opening.
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if block[..read].iter().any(|&byte| byte != 0) {
            return Ok(Content::NotZero(at));
        }
        at += read as u64;
    }
    Ok(Content::Zero)
}

/// Where data begin at or after `at`, `None` when only a hole is left. A file system without holes says `at`
/// (lseek(2), SEEK_DATA).
fn next_data(file: &File, at: u64) -> io::Result<Option<u64>> {
    // Sizes are checked against the largest region first, far below the limit of an off_t.
    let at = i64::try_from(at).expect("a region's offset fits");
    match lseek(file, at, Whence::SeekData) {
        Ok(data) => Ok(u64::try_from(data).ok()),
        Err(Errno::ENXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 1 << 20;

    fn file_with(bytes: &[u8], at: u64) -> File {
        let file = tempfile::tempfile().unwrap();
        file.set_len(SIZE).unwrap();
        file.write_all_at(bytes, at).unwrap();
        file
    }

    #[test]
    fn zeros_are_told_from_everything_else() {
        assert_eq!(content_of(&file_with(&[], 0), SIZE).unwrap(), Content::Zero);
        assert_eq!(content_of(&file_with(&[0; 70_000], 4096), SIZE).unwrap(), Content::Zero);
        assert_eq!(content_of(&file_with(&MAGIC.to_le_bytes(), 0), SIZE).unwrap(), Content::Region);
        assert_eq!(content_of(&file_with(b"\x7fELF", 0), SIZE).unwrap(), Content::Magic(0x464c_457f));
    }

    #[test]
    fn a_single_byte_anywhere_is_found() {
        for at in [8, 4095, 4096, 3 * 4096, SIZE / 2 + 1, SIZE - 1] {
            let Content::NotZero(block) = content_of(&file_with(b"x", at), SIZE).unwrap() else {
                panic!("the byte at {at} was not found");
            };
            assert!((block..block + BLOCK as u64).contains(&at), "{at} is not in the block at {block}");
        }
    }
}
