//! The bytes of 1.0, as they were dumped when it was the newest version.

/// A region of 1 MiB that was just formatted, with two channels of 16384 and 8192 bytes.
pub(super) const FRESH: &str = include_str!("../../../proto/tests/golden/1.0/fresh.txt");
/// The same with a request, and its refusal.
pub(super) const REFUSED: &str = include_str!("../../../proto/tests/golden/1.0/refused.txt");

/// Compares bytes with what a dump has from the offset `at` on. What a dump leaves out is zero.
pub(super) fn assert_holds(dump: &str, at: usize, found: &[u8]) {
    let mut expected = vec![0; found.len()];
    for line in dump.lines() {
        let (offset, bytes) = line.split_once("  ").expect("an offset and bytes");
        let offset = usize::from_str_radix(offset, 16).expect("a hexadecimal number");
        let Some(place) = offset.checked_sub(at).and_then(|from| expected.get_mut(from..from + 8)) else {
            continue;
        };
        for (byte, digits) in place.iter_mut().zip(bytes.split(' ')) {
            *byte = u8::from_str_radix(digits, 16).expect("a hexadecimal number");
        }
    }
    let difference = found.iter().zip(&expected).position(|(found, expected)| found != expected);
    let shown = difference
        .map(|byte| format!("{:#x}: {:#04x} and not {:#04x}", at + byte, found[byte], expected[byte]));
    assert_eq!(shown, None);
}
