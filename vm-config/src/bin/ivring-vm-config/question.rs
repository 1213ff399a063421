//! What is asked on a terminal before something is changed.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use crate::{Failure, exit};

/// Whether there is a person at a terminal to ask.
pub fn can_be_asked() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Whether the person at the terminal agrees to `what`.
pub fn agreed(what: &str) -> Result<bool, Failure> {
    let failed = |error: io::Error| Failure { code: exit::IO_FAILED, message: error.to_string() };
    eprint!("{what}. Go on? [y/N] ");
    io::stderr().flush().map_err(failed)?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(failed)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// `number` domains, in words.
pub fn domains(number: usize) -> String {
    if number == 1 { "1 domain".to_owned() } else { format!("{number} domains") }
}
