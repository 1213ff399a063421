//! What a watch says: a line for people, an object for programs.

use std::io::{self, Write as _};

use crate::row::Row;
use crate::{outcome::printable, print};

/// Says what was done and found wrong.
#[derive(Debug)]
pub struct Voice {
    json: bool,
    /// Whether it is to be said at which libvirt.
    several: bool,
}

impl Voice {
    /// With `json` in objects on standard output; `several` libvirts are told apart.
    pub fn new(json: bool, several: bool) -> Self {
        Self { json, several }
    }

    /// Tells of one domain.
    pub fn tell(&self, row: &Row) {
        if self.json {
            // Nobody is told that nobody can be told.
            let _ = serde_json::to_string(row).map(|text| print(&(text + "\n")));
        } else {
            say(&row.line(self.several));
        }
    }
}

/// Says `text` on standard error.
pub fn say(text: &str) {
    // A watch goes on when nobody listens.
    let _ = writeln!(io::stderr(), "ivring-vm-config: {}", printable(text));
}
