//! The options that say which device is meant, the same for every command.

use clap::{Args, ValueEnum};
use ivring_vm_config::{Alias, Model, OnConflict, Request, RequestError, Role, Shmem, Slot};

/// Which region it is.
#[derive(Debug, Args)]
pub struct RegionOptions {
    /// Name of the region: the file /dev/shm/NAME
    #[arg(long, default_value = "fg_i3")]
    name: String,
    /// Size of the region, a power of two of at least 1M
    #[arg(long, default_value = "8M")]
    size: String,
}

impl RegionOptions {
    /// The region, or what is wrong with its name or size.
    pub fn region(&self) -> Result<Shmem, String> {
        let size = self.size.parse().map_err(|error| format!("--size: {error}"))?;
        Shmem::new(&self.name, size).map_err(|error| format!("--name: {error}"))
    }
}

/// What kind of device it is.
#[derive(Debug, Args)]
pub struct KindOptions {
    /// The device: plain, or legacy for a QEMU before 4.0
    #[arg(long, value_enum, default_value_t = ModelOption::Plain)]
    model: ModelOption,
    /// What saving and migrating a domain does with the region: none and peer forbid both, master takes it along
    #[arg(long, value_enum, default_value_t = RoleOption::None)]
    role: RoleOption,
}

impl KindOptions {
    /// The model.
    pub fn model(&self) -> Model {
        match self.model {
            ModelOption::Plain => Model::Plain,
            ModelOption::Legacy => Model::Legacy,
        }
    }

    /// The role.
    pub fn role(&self) -> Option<Role> {
        match self.role {
            RoleOption::None => None,
            RoleOption::Peer => Some(Role::Peer),
            RoleOption::Master => Some(Role::Master),
        }
    }
}

/// What the device is called inside a domain.
#[derive(Debug, Args)]
pub struct AliasOption {
    /// Alias of the device: ua- and letters, digits, '_', '-' [default: ua-NAME]
    #[arg(long, value_name = "ALIAS", value_parser = |text: &str| Alias::new(text))]
    alias: Option<Alias>,
}

impl AliasOption {
    /// The alias, unless it is the usual one.
    pub fn alias(&self) -> Option<Alias> {
        self.alias.clone()
    }
}

/// The device that domains are to have.
#[derive(Debug, Args)]
pub struct DeviceOptions {
    #[command(flatten)]
    region: RegionOptions,
    #[command(flatten)]
    kind: KindOptions,
    #[command(flatten)]
    alias: AliasOption,
    /// PCI slot: auto (libvirt chooses), prefer:SLOT (if it is free, else auto) or exact:BUS:SLOT.FUNCTION (or refuse)
    #[arg(long, default_value = "prefer:0x1f", value_parser = |text: &str| text.parse::<Slot>())]
    slot: Slot,
    /// Give each domain a region of its own, called NAME-UUID
    #[arg(long)]
    per_domain: bool,
    /// What becomes of a device for the same region that differs
    #[arg(long, value_enum, default_value_t = ConflictOption::Refuse)]
    on_conflict: ConflictOption,
}

/// Why the options ask for nothing that can be.
#[derive(Debug)]
pub enum BadOptions {
    /// A name or size that cannot be used.
    Value(String),
    /// Options that do not go together.
    Together(RequestError),
}

impl DeviceOptions {
    /// The device that is asked for.
    pub fn request(&self) -> Result<Request, BadOptions> {
        let region = self.region.region().map_err(BadOptions::Value)?;
        let request = if self.per_domain {
            Request::per_domain(region).map_err(|error| BadOptions::Value(format!("--name: {error}")))?
        } else {
            Request::shared(region)
        };
        let on_conflict = match self.on_conflict {
            ConflictOption::Refuse => OnConflict::Refuse,
            ConflictOption::Replace => OnConflict::Replace,
            ConflictOption::Keep => OnConflict::Keep,
        };
        request
            .with_model(self.kind.model())
            .with_alias(self.alias.alias())
            .with_slot(self.slot)
            .with_conflict(on_conflict)
            .with_role(self.kind.role())
            .map_err(BadOptions::Together)
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ModelOption {
    Plain,
    Legacy,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleOption {
    None,
    Peer,
    Master,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ConflictOption {
    Refuse,
    Replace,
    Keep,
}
