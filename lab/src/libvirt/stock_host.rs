//! A host with three domains that never heard of ivring, as an operator has it before the first command.

use std::path::Path;

use super::PrivateLibvirtd;
use crate::guest_agent::guest_agent;
use crate::{Consent, Error, Tools, initramfs};

/// Where the domains' kernel and file system are, as libvirt's images are.
const IMAGES: &str = "/var/lib/libvirt/images";

/// What makes one of the domains different from the others, in libvirt's words.
struct Kind {
    name: &'static str,
    uuid: &'static str,
    machine: &'static str,
    /// Elements of `<domain>`.
    metadata: &'static str,
    /// Elements of `<devices>`.
    devices: &'static str,
}

const KINDS: [Kind; 3] = [
    Kind {
        name: "web1",
        uuid: "5fe0a3a4-0b1c-4d55-9d3b-6a0c5a6f0001",
        machine: "pc",
        metadata: "",
        devices: "<controller type='usb' index='0' model='none'/>",
    },
    Kind {
        name: "db1",
        uuid: "5fe0a3a4-0b1c-4d55-9d3b-6a0c5a6f0002",
        machine: "q35",
        metadata: "",
        devices: "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>",
    },
    Kind {
        name: "desk1",
        uuid: "5fe0a3a4-0b1c-4d55-9d3b-6a0c5a6f0003",
        machine: "q35",
        metadata: "<title>The desk of &lt;accounts&gt; &amp; friends</title>
  <metadata>
    <inventory:asset xmlns:inventory='https://inventory.example/1' tag=\"A-17\">
      <!-- kept by hand -->
      <inventory:shmem name='fg_i3'/>
    </inventory:asset>
  </metadata>",
        devices:
            "<graphics type='vnc' port='-1' autoport='yes' passwd='s3cret'><listen type='none'/></graphics>
    <video><model type='vga' vram='16384'/></video>",
    },
];

/// What is in the guests.
#[derive(Debug, Clone, Copy)]
pub enum Image<'a> {
    /// The agent, which their init script starts.
    WithAgent(&'a Path),
    /// QEMU's guest agent, and an init that `ivring-agent install` knows.
    WithGuestAgent,
}

/// The password in the XML of the third domain.
pub const PASSWORD: &str = "s3cret";

/// A libvirtd of its own with three defined domains, which are off: a `pc`, a `q35`, and a `q35` with a password and
/// metadata. Each runs the lab's kernel and init script; their consoles are kept until the host is dropped.
#[derive(Debug)]
pub struct StockHost {
    /// The libvirtd; commands are run through it.
    pub libvirtd: PrivateLibvirtd,
}

impl StockHost {
    /// The names of the domains.
    pub const DOMAINS: [&str; 3] = [KINDS[0].name, KINDS[1].name, KINDS[2].name];

    /// Sets it up; nothing is started.
    ///
    /// # Errors
    ///
    /// As [`PrivateLibvirtd::start`]; [`Error::Refused`] if an image cannot be made of what is here, [`Error::Failed`] if
    /// libvirt refuses a domain.
    pub fn set_up(tools: &Tools, image: Image) -> Result<Self, Error> {
        let (initramfs, append) = match image {
            Image::WithAgent(agent) => {
                (initramfs::build(&tools.busybox, &[agent], &[])?, "guest_agent=\"run\"")
            }
            Image::WithGuestAgent => {
                let files = guest_agent(&tools.kernel, Consent::new(false).without_asking())?;
                (initramfs::build(&tools.busybox, &[], &files)?, "guest_init=busybox guest_qga=on")
            }
        };
        let libvirtd = PrivateLibvirtd::start()?;
        libvirtd.copy(&tools.kernel, &format!("{IMAGES}/kernel"))?;
        libvirtd.write(&format!("{IMAGES}/initramfs"), &initramfs)?;
        for kind in &KINDS {
            libvirtd.virsh(&["define", "/dev/stdin"], kind.xml(append).as_bytes())?;
        }
        let host = Self { libvirtd };
        for domain in Self::DOMAINS {
            // What libvirt added to a new domain it puts into its own order when it reads it again: at the next start of
            // the domain, or of libvirt itself. These are no new domains.
            host.libvirtd.virsh(&["define", "/dev/stdin"], host.xml(domain)?.as_bytes())?;
        }
        Ok(host)
    }

    /// What libvirt keeps of a domain, with its secrets.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if there is no such domain.
    pub fn xml(&self, domain: &str) -> Result<String, Error> {
        self.libvirtd.virsh(&["dumpxml", "--inactive", "--security-info", domain], b"")
    }

    /// What all domains have said on their consoles, and the files that programs wrote to `/var/log`: for a message of a
    /// test that fails.
    ///
    /// # Errors
    ///
    /// As [`PrivateLibvirtd::run`].
    pub fn story(&self) -> Result<String, Error> {
        let script = "tail -n 30 /var/log/*.log /var/log/libvirt/*.log /var/log/libvirt/qemu/*.log";
        let output = self.libvirtd.run("sh", &["-c", script], b"")?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Kind {
    fn xml(&self, append: &str) -> String {
        let Self { name, uuid, machine, metadata, devices } = self;
        format!(
            "<domain type='qemu'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  {metadata}
  <memory unit='MiB'>256</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='{machine}'>hvm</type>
    <kernel>{IMAGES}/kernel</kernel>
    <initrd>{IMAGES}/initramfs</initrd>
    <cmdline>console=ttyS0 panic=-1 quiet no_timer_check guest_name={name} {append}</cmdline>
  </os>
  <features><acpi/></features>
  <on_reboot>destroy</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <serial type='file'><source path='/var/log/{name}-console.log'/></serial>
    <serial type='null'/>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <memballoon model='none'/>
    {devices}
  </devices>
</domain>
"
        )
    }
}
