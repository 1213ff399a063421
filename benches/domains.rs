//! `ivring-vm-config status` on 200 domains of a libvirt, through virsh and libvirt's real QEMU driver.
//!
//! `cargo bench -p ivring-benches --bench domains`. Half of the domains have the device. It needs libvirt, and says so where
//! there is none.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ivring_lab::{Embedded, build_vm_config, libvirt_or_skip};

/// How many domains a host has that has many.
const DOMAINS: u64 = 200;

const DEVICE: &str = "<shmem name='fg_i3'><model type='ivshmem-plain'/><size unit='M'>8</size></shmem>";

/// A domain of the machine type `q35` with some disks, and every second one with the device.
fn domain(number: u64) -> String {
    let disks: String = ('a'..='f')
        .map(|disk| {
            format!(
                "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source \
                 file='/var/lib/libvirt/images/{number}{disk}.qcow2'/><target dev='vd{disk}' bus='virtio'/></disk>"
            )
        })
        .collect();
    let device = if number.is_multiple_of(2) { "" } else { DEVICE };
    format!(
        "<domain type='qemu'><name>web{number}</name><memory unit='MiB'>64</memory><os><type arch='x86_64' \
         machine='q35'>hvm</type></os><devices>{disks}<interface type='user'/>{device}</devices></domain>"
    )
}

/// A libvirt with all domains, and the program.
fn place() -> Option<(Embedded, PathBuf)> {
    libvirt_or_skip("domains")?;
    let libvirt = Embedded::new("domains").expect("a libvirt can be set up");
    let program = libvirt.bring(&build_vm_config().expect("it compiles")).expect("it can be copied");
    let files: Vec<String> = (0..DOMAINS)
        .map(|number| {
            let file = libvirt.folder().join(format!("{number}.xml"));
            fs::write(&file, domain(number)).expect("it can be written");
            format!("define {}", file.display())
        })
        .collect();
    libvirt.virsh(&[&files.join("; ")], "").expect("libvirt takes them");
    Some((libvirt, program))
}

fn status(criterion: &mut Criterion) {
    let Some((libvirt, program)) = place() else { return };
    let mut group = criterion.benchmark_group("vm-config");
    group.throughput(Throughput::Elements(DOMAINS)).sample_size(10).warm_up_time(Duration::from_millis(1));
    group.measurement_time(Duration::from_secs(20));
    group.bench_function(BenchmarkId::new("status", DOMAINS), |bencher| {
        bencher.iter(|| {
            let output = libvirt.run(&program, &["status", "--all"], "").expect("it starts");
            let table = String::from_utf8(output.stdout).expect("it is text");
            let missing = table.lines().filter(|line| line.contains(" missing ")).count();
            assert_eq!((missing, table.lines().count()), (100, 201), "{table}");
        });
    });
    group.finish();
}

criterion_group!(benches, status);
criterion_main!(benches);
