//! One libvirt: its domains, their XML, and changes to them.

use std::collections::HashSet;
use std::{env, mem, slice};

use super::virsh::Virsh;
use super::{LibvirtError, Listed};

/// How many domains are read by one virsh: many, for each costs a connection, and few enough for its command line.
const BATCH: usize = 64;

/// The libvirt that runs the machine's virtual machines.
const USUAL_URI: &str = "qemu:///system";

/// One libvirt. Every call runs virsh and blocks until it has ended.
#[derive(Debug)]
pub struct Connection {
    virsh: Virsh,
}

/// What libvirt knows of one domain, each as XML without secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Documents {
    /// Its configuration, if it has one that outlives its run.
    pub config: Option<String>,
    /// How it runs, if it does.
    pub live: Option<String>,
    /// How it will run when its saved state is restored, if there is one.
    pub saved: Option<String>,
}

/// What a libvirt tells of itself, as virsh prints it.
#[derive(Debug)]
pub(crate) struct Description {
    /// Versions, one a line.
    pub(crate) version: String,
    /// XML with what its host and its QEMUs can do.
    pub(crate) capabilities: String,
}

/// What a change is to act upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The configuration: the next cold start.
    Config,
    /// The running domain.
    Live,
    /// Both or neither.
    Both,
}

impl Scope {
    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Config => &["--config"],
            Self::Live => &["--live"],
            Self::Both => &["--live", "--config"],
        }
    }
}

impl Connection {
    /// The libvirt at `uri`; without one that of `LIBVIRT_DEFAULT_URI`, else `qemu:///system`.
    #[must_use]
    pub fn new(uri: Option<&str>) -> Self {
        Self { virsh: Virsh::new(uri.map_or_else(default_uri, str::to_owned), false) }
    }

    /// The same, for reading only: libvirt lets every user do that.
    #[must_use]
    pub fn read_only(uri: Option<&str>) -> Self {
        Self { virsh: Virsh::new(uri.map_or_else(default_uri, str::to_owned), true) }
    }

    /// The same, with every virsh in a process group of its own: Ctrl-C on a terminal ends this program alone, which can
    /// let virsh finish what is in hand.
    #[must_use]
    pub fn apart(self) -> Self {
        Self { virsh: self.virsh.apart() }
    }

    /// virsh, for what is not one question and one answer.
    pub(super) fn virsh(&self) -> &Virsh {
        &self.virsh
    }

    /// The URI.
    #[must_use]
    pub fn uri(&self) -> &str {
        self.virsh.uri()
    }

    /// All domains, by name.
    ///
    /// # Errors
    ///
    /// [`LibvirtError`].
    pub fn list(&self) -> Result<Vec<Listed>, LibvirtError> {
        let commands = [
            "list --all --uuid --name",
            "list --uuid",
            "list --all --persistent --uuid",
            "list --all --with-managed-save --uuid",
        ];
        let answers = self.virsh.batch(&commands.map(str::to_owned))?;
        let [all, running, persistent, saved] = answers.printed.as_slice() else {
            return Err(LibvirtError::Garbled { command: "list".to_owned() });
        };
        if !answers.complaints.is_empty() {
            return Err(self.virsh.error("list", &answers.complaints));
        }
        let uuids = |printed: &str| -> HashSet<String> {
            printed.lines().map(|line| line.trim().to_owned()).collect()
        };
        let (running, persistent, saved) = (uuids(running), uuids(persistent), uuids(saved));
        let mut listed: Vec<Listed> = all
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(uuid, name)| Listed {
                uuid: uuid.to_owned(),
                name: name.trim_start().to_owned(),
                running: running.contains(uuid),
                persistent: persistent.contains(uuid),
                managed_save: saved.contains(uuid),
            })
            .collect();
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(listed)
    }

    /// What the libvirt tells of itself. One that finds no QEMU may leave something out.
    pub(crate) fn describe(&self) -> Result<Description, LibvirtError> {
        let commands = ["version --daemon", "capabilities"];
        let mut answers = self.virsh.batch(&commands.map(str::to_owned))?;
        let [version, capabilities] = answers.printed.as_mut_slice() else {
            return Err(LibvirtError::Garbled { command: "version".to_owned() });
        };
        if version.trim().is_empty() && capabilities.trim().is_empty() {
            return Err(self.virsh.error("version", &answers.complaints));
        }
        Ok(Description { version: mem::take(version), capabilities: mem::take(capabilities) })
    }

    /// The documents of `domains`, in their order. Those of a few dozen domains are read at once, so a caller with many
    /// gives them in such portions as [`BATCH`](Self::portions) says if it wants to tell how far it is.
    ///
    /// # Errors
    ///
    /// [`LibvirtError`] for all if there is no connection; for one if it is gone by now, for example.
    pub fn documents(
        &self,
        domains: &[Listed],
    ) -> Result<Vec<Result<Documents, LibvirtError>>, LibvirtError> {
        let mut all = Vec::with_capacity(domains.len());
        for portion in Self::portions(domains) {
            let commands: Vec<String> = portion.iter().flat_map(Self::dumps).collect();
            let mut printed = self.virsh.batch(&commands)?.printed.into_iter();
            for domain in portion {
                let mut next = |wanted: bool, command: &str| -> Result<Option<String>, LibvirtError> {
                    let text = if wanted { printed.next() } else { None };
                    match text {
                        // Asked for alone, it says why there is nothing.
                        Some(text) if text.trim().is_empty() => {
                            self.dump(&format!("{command} {}", domain.uuid)).map(Some)
                        }
                        text => Ok(text.map(trimmed)),
                    }
                };
                let config = next(domain.persistent, DUMP_CONFIG);
                let live = next(domain.running, DUMP_LIVE);
                // A saved state that cannot be looked into counts as one without the device.
                let saved = next(domain.managed_save, DUMP_SAVED).unwrap_or_default();
                all.push(config.and_then(|config| Ok(Documents { config, live: live?, saved })));
            }
        }
        Ok(all)
    }

    /// The documents of one domain.
    ///
    /// # Errors
    ///
    /// [`LibvirtError`].
    pub fn documents_of(&self, domain: &Listed) -> Result<Documents, LibvirtError> {
        let mut documents = self.documents(slice::from_ref(domain))?;
        // One domain was asked for, so there is one answer.
        documents.pop().unwrap_or_else(|| Ok(Documents::default()))
    }

    /// `domains` in the portions in which they are read.
    pub fn portions(domains: &[Listed]) -> impl Iterator<Item = &[Listed]> {
        domains.chunks(BATCH)
    }

    fn dumps(domain: &Listed) -> impl Iterator<Item = String> + use<> {
        let uuid = domain.uuid.clone();
        [(domain.persistent, DUMP_CONFIG), (domain.running, DUMP_LIVE), (domain.managed_save, DUMP_SAVED)]
            .into_iter()
            .filter(|(wanted, _)| *wanted)
            .map(move |(_, command)| format!("{command} {uuid}"))
    }

    fn dump(&self, command: &str) -> Result<String, LibvirtError> {
        let words: Vec<&str> = command.split(' ').collect();
        self.virsh.run(&words, "").map(trimmed)
    }

    /// The configuration of the domain `uuid` with the passwords in it, as `define` takes it.
    ///
    /// # Errors
    ///
    /// [`LibvirtError`].
    pub fn secure_config(&self, uuid: &str) -> Result<String, LibvirtError> {
        self.dump(&format!("{DUMP_CONFIG} --security-info {uuid}"))
    }

    /// How the domain `uuid` runs.
    ///
    /// # Errors
    ///
    /// [`LibvirtError`].
    pub fn live(&self, uuid: &str) -> Result<String, LibvirtError> {
        self.dump(&format!("{DUMP_LIVE} {uuid}"))
    }

    /// Gives the domain `uuid` the device that the element `xml` describes: one step on the side of libvirt.
    ///
    /// # Errors
    ///
    /// [`LibvirtError`]; nothing has changed then.
    pub fn attach(&self, uuid: &str, xml: &str, scope: Scope) -> Result<(), LibvirtError> {
        self.change(&["attach-device", uuid, "/dev/stdin"], scope, xml)
    }

    /// Takes from the domain `uuid` the device that the element `xml` describes. A running domain loses it when its
    /// guest lets go of it, which may be never.
    ///
    /// # Errors
    ///
    /// [`LibvirtError`]; nothing has changed then.
    pub fn detach(&self, uuid: &str, xml: &str, scope: Scope) -> Result<(), LibvirtError> {
        self.change(&["detach-device", uuid, "/dev/stdin"], scope, xml)
    }

    fn change(&self, words: &[&str], scope: Scope, input: &str) -> Result<(), LibvirtError> {
        self.virsh.run(&[words, scope.options()].concat(), input).map(drop)
    }

    /// Defines a domain by its whole XML, in the place of the one with the same UUID.
    ///
    /// # Errors
    ///
    /// [`LibvirtError`]; nothing has changed then.
    pub fn define(&self, xml: &str) -> Result<(), LibvirtError> {
        self.virsh.run(&["define", "/dev/stdin"], xml).map(drop)
    }

    /// The command line of QEMU that libvirt would make of `xml`. Nothing is started or defined.
    pub(super) fn command_line_of(&self, xml: &str) -> Result<String, LibvirtError> {
        self.virsh.run(&["domxml-to-native", "qemu-argv", "--xml", "/dev/stdin"], xml)
    }
}

const DUMP_CONFIG: &str = "dumpxml --inactive";
const DUMP_LIVE: &str = "dumpxml";
const DUMP_SAVED: &str = "managedsave-dumpxml";

/// The URI that is meant if none is given.
fn default_uri() -> String {
    env::var("LIBVIRT_DEFAULT_URI").ok().filter(|uri| !uri.is_empty()).unwrap_or_else(|| USUAL_URI.to_owned())
}

/// XML as libvirt keeps it: virsh adds an empty line.
fn trimmed(mut text: String) -> String {
    text.truncate(text.trim_end_matches('\n').len());
    text.push('\n');
    text
}
