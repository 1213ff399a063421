//! Text of bounded length, NUL padded in the region.

use crate::memory::Memory;

/// At most `N` bytes of UTF-8, without NUL.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<const N: usize> {
    bytes: [u8; N],
}

impl<const N: usize> Text<N> {
    /// The empty text.
    pub const EMPTY: Self = Text { bytes: [0; N] };

    /// `text`, when it fits and has no NUL.
    pub fn new(text: &str) -> Option<Self> {
        (text.len() <= N && !text.contains('\0')).then(|| Self::truncated(text))
    }

    /// As much of `text` as fits, up to the first NUL.
    pub fn truncated(text: &str) -> Self {
        let text = text.split('\0').next().unwrap_or_default();
        let mut end = text.len().min(N);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let mut bytes = [0; N];
        bytes[..end].copy_from_slice(&text.as_bytes()[..end]);
        Text { bytes }
    }

    /// As much of what `value` displays as fits.
    pub fn display(value: &impl core::fmt::Display) -> Self {
        struct Cut<const N: usize> {
            bytes: [u8; N],
            length: usize,
        }
        impl<const N: usize> core::fmt::Write for Cut<N> {
            fn write_str(&mut self, piece: &str) -> core::fmt::Result {
                let end = (self.length + piece.len()).min(N);
                self.bytes[self.length..end].copy_from_slice(&piece.as_bytes()[..end - self.length]);
                self.length = end;
                Ok(())
            }
        }
        let mut cut = Cut { bytes: [0; N], length: 0 };
        // Writing into the array never fails; a Display that does has said what it had to say.
        let _ = core::fmt::Write::write_fmt(&mut cut, format_args!("{value}"));
        Self::from_bytes(&cut.bytes)
    }

    /// What the peer wrote at `at`: cut at the first NUL or the first byte that is no UTF-8.
    pub fn read<M: Memory>(memory: &M, at: u64) -> Self {
        let mut bytes = [0; N];
        memory.copy_out(at, &mut bytes);
        Self::from_bytes(&bytes)
    }

    /// Bytes as the peer wrote them: cut at `N`, at the first NUL or at the first byte that is no UTF-8.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let bytes = &bytes[..bytes.len().min(N)];
        let valid = match core::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => core::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
        };
        Self::truncated(valid)
    }

    /// Writes all `N` bytes at `at`.
    pub fn write<M: Memory>(&self, memory: &M, at: u64) {
        memory.copy_in(at, &self.bytes);
    }

    /// The bytes with their padding.
    pub fn as_bytes(&self) -> &[u8; N] {
        &self.bytes
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        let length = self.bytes.iter().position(|&byte| byte == 0).unwrap_or(N);
        // Always valid: the only way in is `truncated`, which cuts at a character's boundary.
        core::str::from_utf8(&self.bytes[..length]).unwrap_or_default()
    }

    /// True for the empty text.
    pub fn is_empty(&self) -> bool {
        self.as_str().is_empty()
    }
}

impl<const N: usize> core::fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Debug::fmt(self.as_str(), f)
    }
}

impl<const N: usize> core::fmt::Display for Text<N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_bytes_become_the_longest_valid_text() {
        assert_eq!(Text::<8>::from_bytes(b"ab\0cd").as_str(), "ab");
        assert_eq!(Text::<8>::from_bytes(b"ab\xffcd").as_str(), "ab");
        assert_eq!(Text::<4>::from_bytes("aäöü".as_bytes()).as_str(), "aä");
        assert_eq!(Text::<4>::from_bytes(&[0xff; 64]).as_str(), "");
    }

    #[test]
    fn what_is_displayed_is_cut_at_a_character() {
        assert_eq!(Text::<8>::display(&format_args!("{}-{}", 12, 34)).as_str(), "12-34");
        assert_eq!(Text::<4>::display(&"aäöü").as_str(), "aä");
    }

    #[test]
    fn only_text_that_fits_is_taken_whole() {
        assert_eq!(Text::<4>::new("four").expect("fits").as_str(), "four");
        assert_eq!(Text::<4>::new("fives"), None);
        assert_eq!(Text::<4>::new("a\0b"), None);
        assert_eq!(Text::<4>::truncated("aäöü").as_str(), "aä");
    }
}
