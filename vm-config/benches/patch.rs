//! What patching the XML of domains costs: one as text, by its size, and many files in their place.

#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::fs;
use std::hint::black_box;
use std::process::{Command, Stdio};
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ivring_vm_config::{Domain, Plan, Request, Shmem};

/// A domain with `disks` disks: 20 make about the XML that a virtual machine usually has.
fn domain(disks: usize) -> String {
    let mut xml = String::from(
        "<domain type='kvm'>\n  <name>web1</name>\n  <os>\n    <type arch='x86_64' machine='q35'>hvm</type>\n  </os>\n  \
         <devices>\n",
    );
    for disk in 0..disks {
        xml.push_str(&format!(
            "    <disk type='file' device='disk'>\n      <driver name='qemu' type='qcow2'/>\n      <source \
             file='/var/lib/libvirt/images/disk-{disk}.qcow2'/>\n      <target dev='vd{disk}' bus='virtio'/>\n      \
             <address type='pci' domain='0x0000' bus='{:#04x}' slot='0x00' function='0x0'/>\n    </disk>\n",
            disk % 200 + 1
        ));
    }
    xml.push_str("  </devices>\n</domain>\n");
    xml
}

fn patch(criterion: &mut Criterion) {
    let size = "8M".parse().expect("a size");
    let request = Request::shared(Shmem::new("fg_i3", size).expect("a name"));
    let mut group = criterion.benchmark_group("patch");
    for disks in [20, 2000] {
        let xml = domain(disks);
        group.throughput(Throughput::Bytes(u64::try_from(xml.len()).unwrap_or(u64::MAX)));
        group.bench_with_input(BenchmarkId::new("disks", disks), &xml, |bencher, xml| {
            bencher.iter(|| {
                let domain = Domain::read(black_box(xml).as_bytes()).expect("a domain");
                let plan = Plan::install(&domain, &request).expect("room for the device");
                plan.carry_out(&domain)
            });
        });
    }
    group.finish();
}

/// How many files are changed in their place.
const FILES: u64 = 2000;

/// The whole command, as it changes files on the disk that has the target folder.
fn in_place(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("patch/in-place");
    group.throughput(Throughput::Elements(FILES)).sample_size(10).warm_up_time(Duration::from_millis(1));
    let xml = domain(20);
    let make_files = || {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let files: Vec<_> = (0..FILES).map(|file| folder.path().join(format!("{file}.xml"))).collect();
        for file in &files {
            fs::write(file, &xml).expect("a file");
        }
        (folder, files)
    };
    group.bench_function(BenchmarkId::new("files", FILES), |bencher| {
        bencher.iter_batched(
            make_files,
            |(folder, files)| {
                let mut command = Command::new(env!("CARGO_BIN_EXE_ivring-vm-config"));
                let status =
                    command.args(["patch", "--in-place"]).args(&files).stdout(Stdio::null()).status();
                assert!(status.expect("it runs").success());
                folder
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = patch, in_place
}
criterion_main!(benches);
