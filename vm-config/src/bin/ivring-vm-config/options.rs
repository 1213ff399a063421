//! The options that say which device is meant, the same for every command.

use clap::{Args, ValueEnum};
use ivring_vm_config::libvirt::{LibvirtError, Listed};
use ivring_vm_config::{Alias, Model, OnConflict, Request, RequestError, Role, Shmem, Size, Slot};

use crate::{Failure, exit};

/// How the region is called.
#[derive(Debug, Args)]
pub struct NameOption {
    /// Name of the region: the file /dev/shm/NAME
    #[arg(long, default_value = "fg_i3")]
    name: String,
}

impl NameOption {
    /// The region of the size `size`, or what is wrong with its name.
    fn region(&self, size: Size) -> Result<Shmem, String> {
        Shmem::new(&self.name, size).map_err(|error| format!("--name: {error}"))
    }

    /// The region, where its size does not matter.
    pub fn any_size(&self) -> Result<Shmem, String> {
        self.region(Size::SMALLEST)
    }
}

/// Which region it is.
#[derive(Debug, Args)]
pub struct RegionOptions {
    #[command(flatten)]
    name: NameOption,
    /// Size of the region, a power of two of at least 1M
    #[arg(long, default_value = "8M")]
    size: String,
}

impl RegionOptions {
    /// The region, or what is wrong with its name or size.
    pub fn region(&self) -> Result<Shmem, String> {
        let size = self.size.parse().map_err(|error| format!("--size: {error}"))?;
        self.name.region(size)
    }
}

/// Whether all domains mean one region.
#[derive(Debug, Args)]
struct SharingOption {
    /// Each domain has a region of its own, called NAME-UUID
    #[arg(long)]
    per_domain: bool,
}

impl SharingOption {
    fn request(&self, region: Shmem) -> Result<Request, BadOptions> {
        if !self.per_domain {
            return Ok(Request::shared(region));
        }
        Request::per_domain(region).map_err(|error| BadOptions::Value(format!("--name: {error}")))
    }
}

/// Which device of a domain it is, whatever its size and kind.
#[derive(Debug, Args)]
pub struct WhichOptions {
    #[command(flatten)]
    name: NameOption,
    #[command(flatten)]
    sharing: SharingOption,
}

impl WhichOptions {
    /// The device that is meant.
    pub fn request(&self) -> Result<Request, BadOptions> {
        self.sharing.request(self.base()?)
    }

    /// The regions that are meant: the one that all share, or that of each domain of `domains`, who is asked only then.
    pub fn regions(
        &self,
        domains: impl FnOnce() -> Result<Vec<Listed>, LibvirtError>,
    ) -> Result<Vec<Shmem>, Failure> {
        // Also for the length of its name.
        self.request()?;
        let base = self.base()?;
        if !self.sharing.per_domain {
            return Ok(vec![base]);
        }
        let failed = |error: LibvirtError| Failure { code: exit::IO_FAILED, message: error.to_string() };
        let of = |domain: Listed| {
            let region = Shmem::new(&format!("{}-{}", base.name(), domain.uuid), base.size());
            region.map_err(|error| BadOptions::Value(format!("--name: {error}")).into())
        };
        domains().map_err(failed)?.into_iter().map(of).collect()
    }

    /// What `one` makes of the region that all share, or `of_domains` of the name with which all regions of domains begin.
    pub fn pattern<T>(&self, one: fn(&Shmem) -> T, of_domains: fn(&Shmem) -> T) -> Result<T, Failure> {
        self.request()?;
        let base = self.base()?;
        Ok(if self.sharing.per_domain { of_domains(&base) } else { one(&base) })
    }

    fn base(&self) -> Result<Shmem, BadOptions> {
        self.name.any_size().map_err(BadOptions::Value)
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
    #[command(flatten)]
    sharing: SharingOption,
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
        self.sharing
            .request(region)?
            .with_model(self.kind.model())
            .with_alias(self.alias.alias())
            .with_slot(self.slot)
            .with_conflict(self.on_conflict.into())
            .with_role(self.kind.role())
            .map_err(BadOptions::Together)
    }

    /// Whether a domain with the device cannot be saved.
    pub fn forbids_saving(&self) -> bool {
        self.kind.role() != Some(Role::Master)
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

/// What becomes of a device that is not as expected.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ConflictOption {
    Refuse,
    Replace,
    Keep,
}

impl From<ConflictOption> for OnConflict {
    fn from(option: ConflictOption) -> Self {
        match option {
            ConflictOption::Refuse => Self::Refuse,
            ConflictOption::Replace => Self::Replace,
            ConflictOption::Keep => Self::Keep,
        }
    }
}
