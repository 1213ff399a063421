//! The device in the domains of a running libvirt.
//!
//! [`Connection`] speaks with one libvirt through `virsh`, so that nothing has to be built against libvirt and every
//! URI works that virsh knows. What to do is decided by [`Plan`](crate::Plan) on the XML alone; here it is read, judged
//! ([`Judgement`]) and carried out.

mod backups;
mod change;
mod connection;
mod error;
mod events;
mod judgement;
mod ledger;
mod listed;
mod preflight;
mod removal;
mod rollback;
mod saved;
mod state_folder;
mod virsh;

pub use backups::{BackupError, Backups};
pub use change::{ChangeError, Changed, Changes};
pub use connection::{Connection, Documents, Scope};
pub use error::LibvirtError;
pub use events::{Event, Events, Happened, News};
pub use judgement::{Judgement, Standing, Waiting, Wish};
pub use ledger::{By, Entries, Entry, Key, Ledger, LedgerError, TakenOut};
pub use listed::{Listed, Selection, SelectionError};
pub use preflight::Probe;
pub use removal::{Controllers, Removal, Removed};
pub use rollback::{Rollback, RolledBack};
pub use saved::{Saved, SavedError};
