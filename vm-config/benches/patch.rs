//! What reading and patching the XML of one domain costs, by its size.

#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
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

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = patch
}
criterion_main!(benches);
