//! The process that dies: carries out orders from its standard input until it is killed or nobody gives any more.

use std::fs::File;
use std::io::{self, BufRead as _, Write as _};
use std::path::Path;
use std::process;

use ivring_proto::layout::control_word;
use ivring_proto::memory::MappedFile;

use super::host::geometry;
use super::mortal::Mortal;
use super::order::{Order, Role, Told, Withheld};
use super::party::Party;
use crate::Error;

/// Carries out orders for the region in `file`.
///
/// # Errors
///
/// [`Error::Io`] if the region cannot be mapped, [`Error::Failed`] if an order is none.
pub fn act(file: &Path) -> Result<(), Error> {
    let opened = File::options().read(true).write(true).open(file);
    let opened = opened.map_err(Error::io(format!("cannot open {}", file.display())))?;
    let memory = MappedFile::map(&opened, geometry().size());
    let memory = Mortal::new(memory.map_err(Error::io(format!("cannot map {}", file.display())))?);
    let (mut party, mut withheld) = (None, None);
    for line in io::stdin().lock().lines() {
        let line = line.map_err(Error::io("cannot read orders"))?;
        let order = serde_json::from_str(&line).map_err(|error| Error::Failed(format!("{line}: {error}")))?;
        let mut standing = super::order::Standing::default();
        match &order {
            Order::Doom { stores, withheld: word } => {
                memory.doom(*stores);
                withheld = *word;
            }
            Order::Begin { role, life, boot, now } => {
                memory.withhold(withheld.map_or_else(Vec::new, |word| words(*role, word)));
                let tell = &mut |line| tell(&Told::Line(line));
                party = Some(Party::begin(memory.clone(), *role, *life, *boot, *now, tell));
            }
            order => {
                if let Some(party) = &mut party {
                    standing = party.perform(order, &mut |line| tell(&Told::Line(line)));
                }
            }
        }
        tell(&Told::Done(standing));
    }
    Ok(())
}

/// Tells the stage. With one system call, before anything else is done: what was told outlives this process.
pub(super) fn tell(told: &Told) {
    let text = serde_json::to_string(told).expect("plain data becomes JSON") + "\n";
    let mut output = io::stdout().lock();
    if output.write_all(text.as_bytes()).and_then(|()| output.flush()).is_err() {
        // Nobody listens any more.
        process::exit(0);
    }
}

/// Where somebody stores such words.
fn words(role: Role, word: Withheld) -> Vec<u64> {
    let channels = (0..geometry().channels()).filter_map(|index| geometry().channel(index));
    channels
        .map(|channel| {
            let (produced, consumed) = match role {
                Role::Host => (channel.to_guest, channel.to_host),
                Role::Guest(_) => (channel.to_host, channel.to_guest),
            };
            match word {
                Withheld::Hint => produced.producer + control_word::HINT,
                Withheld::Seen => consumed.consumer + control_word::SEEN,
            }
        })
        .collect()
}
