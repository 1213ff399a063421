//! A region's file in the place of a device.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::Path;

use ivring_proto::check::{Chain, Line};
use ivring_proto::console::Failure;
use ivring_proto::console::amount::bytes;

use super::region::Source;
use crate::region::{MapError, open_file};

/// Looks at the file.
pub(super) fn look(chain: &mut Chain<'_, '_>, path: &Path) -> Result<Option<Source>, Failure> {
    const CHECK: &str = "region-file";
    chain.step(CHECK, Some(path), |path| match open_file(path, OpenOptions::new().read(true)) {
        Ok((file, metadata)) => {
            let size = metadata.len();
            let line = Line::ok(CHECK, format!("{} is a file of {}", path.display(), bytes(size)));
            Ok((line, Source { file, size, what: path.to_owned() }))
        }
        Err(MapError::File { source, .. }) if source.kind() == ErrorKind::PermissionDenied => {
            let says = format!("can't open {}: {source}", path.display());
            Err(Line::unknown(CHECK, says, "sudo ivring-agent doctor"))
        }
        Err(error) => {
            Err(Line::failed(CHECK, error.to_string(), "ls -l the file; is it the one that ivringd serves?"))
        }
    })
}
