//! Whether a program is static: enough of the ELF format to tell.
//!
//! Offsets and values are those of `elf(5)`.

use std::fs;
use std::path::Path;

use crate::Error;

const PROGRAM_HEADERS_AT: usize = 32;
const PROGRAM_HEADER_SIZE_AT: usize = 54;
const PROGRAM_HEADER_COUNT_AT: usize = 56;
const PT_INTERP: u32 = 3;

/// What is asked of a program file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elf {
    /// It needs no dynamic loader: there is no `PT_INTERP` segment.
    pub is_static: bool,
    /// The size of the file in bytes.
    pub size: u64,
}

/// Reads what kind of program `path` is.
///
/// # Errors
///
/// [`Error::Io`] if it cannot be read, [`Error::Failed`] if it is no 64-bit little-endian ELF file.
pub fn inspect(path: &Path) -> Result<Elf, Error> {
    let bytes = fs::read(path).map_err(Error::io(format!("cannot read {}", path.display())))?;
    let is_static = !has_interpreter(&bytes)
        .ok_or_else(|| Error::Failed(format!("{} is no 64-bit little-endian ELF program", path.display())))?;
    Ok(Elf { is_static, size: bytes.len() as u64 })
}

fn has_interpreter(bytes: &[u8]) -> Option<bool> {
    if !bytes.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let mut at = usize::try_from(u64::from_le_bytes(read(bytes, PROGRAM_HEADERS_AT)?)).ok()?;
    let size = usize::from(u16::from_le_bytes(read(bytes, PROGRAM_HEADER_SIZE_AT)?));
    let count = u16::from_le_bytes(read(bytes, PROGRAM_HEADER_COUNT_AT)?);
    for _ in 0..count {
        if u32::from_le_bytes(read(bytes, at)?) == PT_INTERP {
            return Some(true);
        }
        at = at.checked_add(size)?;
    }
    Some(false)
}

fn read<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_test_is_a_program_and_this_source_is_none() {
        assert!(inspect(&std::env::current_exe().unwrap()).unwrap().size > 0);
        assert!(inspect(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))).is_err());
    }

    #[test]
    fn an_interpreter_makes_it_dynamic() {
        let mut bytes = vec![0; 64 + 2 * 56];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[PROGRAM_HEADERS_AT] = 64;
        bytes[PROGRAM_HEADER_SIZE_AT] = 56;
        bytes[PROGRAM_HEADER_COUNT_AT] = 2;
        assert_eq!(has_interpreter(&bytes), Some(false));
        bytes[64 + 56] = 3;
        assert_eq!(has_interpreter(&bytes), Some(true));
        bytes[PROGRAM_HEADER_COUNT_AT] = 1;
        assert_eq!(has_interpreter(&bytes), Some(false));
        assert_eq!(has_interpreter(&bytes[..60]), None);
    }
}
