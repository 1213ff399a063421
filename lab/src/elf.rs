//! Whether a program is static and stripped: enough of the ELF format to tell.
//!
//! Offsets and values are those of `elf(5)`.

use std::fs;
use std::path::Path;

use crate::Error;

/// Where the header says how a table lies in the file: its offset, the size of an entry, their number.
struct Table {
    offset_at: usize,
    entry_size_at: usize,
    count_at: usize,
    /// Where in an entry its type is.
    type_at: usize,
}

const SEGMENTS: Table = Table { offset_at: 32, entry_size_at: 54, count_at: 56, type_at: 0 };
const SECTIONS: Table = Table { offset_at: 40, entry_size_at: 58, count_at: 60, type_at: 4 };
const PT_INTERP: u32 = 3;
const SHT_SYMTAB: u32 = 2;

/// What is asked of a program file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Elf {
    /// It needs no dynamic loader.
    pub(crate) is_static: bool,
    /// It has no symbol table.
    pub(crate) is_stripped: bool,
    /// The size of the file in bytes.
    pub(crate) size: usize,
}

/// Reads what kind of program `path` is; fails if it is no 64-bit little-endian ELF file.
pub(crate) fn inspect(path: &Path) -> Result<Elf, Error> {
    let bytes = fs::read(path).map_err(Error::io(format!("cannot read {}", path.display())))?;
    parse(&bytes)
        .ok_or_else(|| Error::Failed(format!("{} is no 64-bit little-endian ELF program", path.display())))
}

fn parse(bytes: &[u8]) -> Option<Elf> {
    if !bytes.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    Some(Elf {
        is_static: !has_entry(bytes, &SEGMENTS, PT_INTERP)?,
        is_stripped: !has_entry(bytes, &SECTIONS, SHT_SYMTAB)?,
        size: bytes.len(),
    })
}

fn has_entry(bytes: &[u8], table: &Table, wanted: u32) -> Option<bool> {
    let mut at = usize::try_from(u64::from_le_bytes(read(bytes, table.offset_at)?)).ok()?;
    let size = usize::from(u16::from_le_bytes(read(bytes, table.entry_size_at)?));
    for _ in 0..u16::from_le_bytes(read(bytes, table.count_at)?) {
        if u32::from_le_bytes(read(bytes, at.checked_add(table.type_at)?)?) == wanted {
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
    fn this_test_is_a_program_with_symbols_and_this_source_is_none() {
        let this = inspect(&std::env::current_exe().unwrap()).unwrap();
        assert!(this.size > 0 && !this.is_stripped && !this.is_static, "{this:?}");
        assert!(inspect(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))).is_err());
    }

    #[test]
    fn segments_and_sections_are_looked_through_to_the_end() {
        let mut bytes = vec![0; 64 + 2 * 56 + 64];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (bytes[32], bytes[54], bytes[56]) = (64, 56, 2);
        (bytes[40], bytes[58], bytes[60]) = (64 + 112, 64, 1);
        assert_eq!(parse(&bytes), Some(Elf { is_static: true, is_stripped: true, size: bytes.len() }));
        bytes[64 + 56] = 3;
        bytes[64 + 112 + 4] = 2;
        assert_eq!(parse(&bytes), Some(Elf { is_static: false, is_stripped: false, size: bytes.len() }));
        assert_eq!(parse(&bytes[..64 + 112]), None, "a table beyond the end");
    }
}
