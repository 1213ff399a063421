//! A machine of plain files, removed when dropped.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

pub const MIB: u64 = 1 << 20;
/// Flags of a 64-bit prefetchable memory BAR, as a real ivshmem device shows them.
pub const MEMORY_64: u64 = 0x14220c;

pub struct FakeMachine {
    root: TempDir,
}

impl FakeMachine {
    /// A machine with a PCI bus and nothing on it.
    pub fn new() -> Self {
        let root = TempDir::new().unwrap();
        fs::create_dir_all(root.path().join("sys/bus/pci/devices")).unwrap();
        Self { root }
    }

    pub fn root(&self) -> &Path {
        self.root.path()
    }

    pub fn write(&self, file: &str, text: &str) {
        let path = self.root().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Plugs a device in. As in sysfs, `bus/pci/devices` has a link to its directory.
    pub fn plug(&self, address: &str, vendor: &str, device: &str) -> FakeDevice {
        let directory = self.root().join("sys/devices/pci0000:00").join(address);
        fs::create_dir_all(&directory).unwrap();
        symlink(&directory, self.root().join("sys/bus/pci/devices").join(address)).unwrap();
        let fake = FakeDevice { directory };
        for (file, text) in [
            ("vendor", vendor),
            ("device", device),
            ("subsystem_vendor", "0x1af4"),
            ("subsystem_device", "0x1100"),
            ("revision", "0x01"),
            ("class", "0x050000"),
            ("enable", "0"),
        ] {
            fake.write(file, &format!("{text}\n"));
        }
        fake.config(0x0003);
        fake
    }

    /// An ivshmem device with `size` bytes of memory that begins with `content`, and memory decoding on.
    pub fn plug_ivshmem(&self, address: &str, size: u64, content: &[u8]) -> FakeDevice {
        let fake = self.plug(address, "0x1af4", "0x1110");
        fake.bar2(0xfe00_0000, size, MEMORY_64);
        let memory = File::create(fake.path("resource2")).unwrap();
        memory.set_len(size).unwrap();
        memory.write_all_at(content, 0).unwrap();
        fake
    }
}

pub struct FakeDevice {
    directory: PathBuf,
}

impl FakeDevice {
    pub fn path(&self, file: &str) -> PathBuf {
        self.directory.join(file)
    }

    pub fn write(&self, file: &str, text: &str) {
        fs::write(self.path(file), text).unwrap();
    }

    pub fn remove(&self, file: &str) {
        fs::remove_file(self.path(file)).unwrap();
    }

    /// Sets the command register in a configuration space of 64 bytes.
    pub fn config(&self, command: u16) {
        let mut bytes = [0; 64];
        bytes[4..6].copy_from_slice(&command.to_le_bytes());
        fs::write(self.path("config"), bytes).unwrap();
    }

    pub fn command(&self) -> u16 {
        let bytes = fs::read(self.path("config")).unwrap();
        u16::from_le_bytes([bytes[4], bytes[5]])
    }

    /// Describes BAR 0 as the registers of ivshmem and BAR 2 as given.
    pub fn bar2(&self, start: u64, size: u64, flags: u64) {
        let end = (start + size).saturating_sub(1);
        let none = "0x0000000000000000 0x0000000000000000 0x0000000000000000\n";
        let registers = "0x00000000febf1000 0x00000000febf10ff 0x0000000000040200\n";
        let memory = format!("{start:#018x} {end:#018x} {flags:#018x}\n");
        self.write("resource", &[registers, none, &memory, none, none, none, none].concat());
    }

    pub fn bind(&self, driver: &str) {
        symlink(Path::new("../../../bus/pci/drivers").join(driver), self.path("driver")).unwrap();
    }
}
