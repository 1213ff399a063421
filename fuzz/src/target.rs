//! The targets by name, and the memory that an input may make them take.

use allocation_counter::measure;

use crate::{control, domain_xml, link, ring, session, superblock};

/// One thing to be fuzzed.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// As it is called on a command line.
    pub name: &'static str,
    /// Memory that an input may make it hold at once, in bytes for each byte of the input and beside these.
    held: (u64, u64),
    run: fn(&[u8]),
}

impl Target {
    /// All of them.
    pub const ALL: [Target; 6] = [
        Target { name: "ring", held: (16, 256 << 10), run: |input| _ = ring::run(input) },
        Target { name: "session", held: (16, 512 << 10), run: |input| _ = session::run(input) },
        Target { name: "link", held: (16, 2 << 20), run: |input| _ = link::run(input) },
        Target { name: "control", held: (64, 2 << 20), run: |input| _ = control::run(input) },
        Target { name: "superblock", held: (16, 512 << 10), run: |input| _ = superblock::run(input) },
        Target { name: "domain-xml", held: (512, 256 << 10), run: |input| _ = domain_xml::run(input) },
    ];

    /// The target of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.name == name)
    }

    /// Runs an input.
    ///
    /// # Panics
    ///
    /// When something does not hold that must hold whatever the input is: a finding.
    pub fn run(&self, input: &[u8]) {
        let held = measure(|| (self.run)(input)).bytes_max;
        let (each, beside) = self.held;
        let allowed = each * input.len() as u64 + beside;
        assert!(
            held <= allowed,
            "{held} bytes of memory for an input of {}, allowed are {allowed}",
            input.len()
        );
    }
}
