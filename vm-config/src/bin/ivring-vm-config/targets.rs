//! The options that say which domains of which libvirt are meant, the same for every command.

use clap::Args;
use glob::Pattern;
use ivring_vm_config::libvirt::{Connection, Listed, Selection};

use crate::{Failure, exit};

/// Which domains are meant.
#[derive(Debug, Args)]
pub struct Targets {
    /// Domains, by name or UUID
    #[arg(value_name = "DOMAIN")]
    domains: Vec<String>,
    /// Every domain there is
    #[arg(long, conflicts_with = "domains")]
    all: bool,
    #[command(flatten)]
    connect: ConnectOptions,
    /// Leave out domains whose name matches; repeats
    #[arg(long, value_name = "GLOB", value_parser = |text: &str| Pattern::new(text))]
    exclude: Vec<Pattern>,
}

/// Which libvirts are meant.
#[derive(Debug, Args)]
pub struct ConnectOptions {
    /// URI of a libvirt; repeats [default: $LIBVIRT_DEFAULT_URI, else qemu:///system]
    #[arg(short, long, value_name = "URI")]
    connect: Vec<String>,
}

/// A libvirt and the domains of it that are meant.
#[derive(Debug)]
pub struct Place {
    /// The libvirt.
    pub connection: Connection,
    /// The domains, excluded ones among them.
    pub domains: Vec<Listed>,
}

impl ConnectOptions {
    /// The libvirts, none of which was spoken with yet.
    pub fn connections(&self, read_only: bool) -> Vec<Connection> {
        let uris: Vec<Option<&str>> = if self.connect.is_empty() {
            vec![None]
        } else {
            self.connect.iter().map(|uri| Some(&**uri)).collect()
        };
        let connect = |uri| if read_only { Connection::read_only(uri) } else { Connection::new(uri) };
        uris.into_iter().map(connect).collect()
    }

    /// The libvirts with all their domains. One that does not answer is told of, and does not stop the others: the exit code
    /// is then that of a failure.
    pub fn places(&self, read_only: bool) -> (Vec<Place>, u8) {
        let mut worst = 0;
        let mut places = Vec::new();
        for connection in self.connections(read_only) {
            match connection.list() {
                Ok(domains) => places.push(Place { connection, domains }),
                Err(error) => {
                    eprintln!("ivring-vm-config: {error}");
                    worst = exit::IO_FAILED;
                }
            }
        }
        (places, worst)
    }
}

impl Targets {
    /// Whether every domain is meant, expressly.
    pub fn all(&self) -> bool {
        self.all
    }

    /// Whether it is said which domains are meant.
    pub fn are_given(&self) -> bool {
        self.all || !self.domains.is_empty()
    }

    /// The domains, looked for at every URI; the exit code is that of [`ConnectOptions::places`]. A name that is nowhere stops everything, as long as nothing has changed.
    pub fn find(&self, read_only: bool) -> Result<(Vec<Place>, u8), Failure> {
        let selection = self.selection();
        let (mut places, worst) = self.connect.places(read_only);
        let everything: Vec<Listed> = places.iter().flat_map(|place| place.domains.iter().cloned()).collect();
        let uris: Vec<&str> = places.iter().map(|place| place.connection.uri()).collect();
        let unknown: Vec<String> =
            selection.unknown(&everything, &uris.join(", ")).iter().map(ToString::to_string).collect();
        // What is unknown may be at the libvirt that did not answer.
        if !unknown.is_empty() && worst == 0 {
            return Err(Failure { code: exit::BAD_INPUT, message: unknown.join("; ") });
        }
        tell_of_both_users(&places);
        for place in &mut places {
            place.domains = selection.of(std::mem::take(&mut place.domains));
        }
        Ok((places, worst))
    }

    /// Whether a pattern leaves `domain` out.
    pub fn excludes(&self, domain: &Listed) -> bool {
        self.selection().excludes(domain)
    }

    fn selection(&self) -> Selection {
        if self.domains.is_empty() {
            Selection::all(self.exclude.clone())
        } else {
            Selection::named(self.domains.clone(), self.exclude.clone())
        }
    }
}

/// The system's libvirt and a user's run QEMU as different users, and the file of a region is of the one who comes first.
fn tell_of_both_users(places: &[Place]) {
    let any = |uri: &str| places.iter().any(|place| place.connection.uri() == uri);
    if any(SYSTEM) && any(SESSION) {
        eprintln!(
            "ivring-vm-config: note: domains of {SYSTEM} and {SESSION} run as different users: they share a region only if \
             its file in /dev/shm is there before them, for a group that both are in (mode 0660)"
        );
    }
}

const SYSTEM: &str = "qemu:///system";
const SESSION: &str = "qemu:///session";
