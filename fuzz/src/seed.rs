//! Inputs to begin with, which the tests make and check: they reach what an engine would take long to find.

use std::env;
use std::fs;
use std::path::Path;

/// Names the folder for the inputs; without it they are only checked.
const VARIABLE: &str = "IVRING_FUZZ_SEEDS";

/// An input that is being put together.
#[derive(Debug, Clone, Default)]
pub struct Seed {
    bytes: Vec<u8>,
}

impl Seed {
    /// Appends bytes as they are.
    pub fn bytes(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.bytes.extend_from_slice(bytes.as_ref());
        self
    }

    /// Appends a number of two bytes.
    pub fn short(self, number: u16) -> Self {
        self.bytes(number.to_le_bytes())
    }

    /// Appends a number of eight bytes.
    pub fn word(self, number: u64) -> Self {
        self.bytes(number.to_le_bytes())
    }

    /// Appends the same `times` over.
    pub fn repeat(self, times: u32, more: impl Fn(Self) -> Self) -> Self {
        (0..times).fold(self, |seed, _| more(seed))
    }

    /// Gives the input away, and writes it where the environment says.
    pub fn save(self, target: &str, name: &str) -> Vec<u8> {
        if let Some(folder) = env::var_os(VARIABLE) {
            let folder = Path::new(&folder).join(target);
            fs::create_dir_all(&folder).expect("a folder for the inputs");
            fs::write(folder.join(name), &self.bytes).expect("an input is written");
        }
        self.bytes
    }
}
