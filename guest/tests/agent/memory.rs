//! What the agent keeps in memory, and what its messages leave behind.

use ivring_proto::control::{Request, Target};

use crate::agent::{Place, attached};
use crate::host::Heard;

/// Bytes of private memory in use, of proc_pid_status(5).
fn private_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib * 1024
}

#[test]
fn messages_leave_no_memory_in_use() {
    let place = Place::new();
    let (host, agent) = attached(&place);
    let mut client = place.client();
    let mut round = |count: u32| {
        for number in 0..count {
            let send = Request::Send { target: Target::default(), topic: "up".into(), wait_ms: 20_000 };
            client.call(&send, &[1; 1000]).unwrap();
            assert!(matches!(host.next(), Heard::Message { .. }));
            host.request(0, number.into(), "ivring.echo", &[2; 1000]);
            assert!(matches!(host.next(), Heard::Response { .. }));
        }
        private_bytes(agent.pid())
    };
    let before = round(300);
    let after = round(3000);
    // A leak of even a tenth of what passed would be 600 kB.
    assert!(after < before + 300_000, "{before} bytes in use before, {after} after");
    assert!(after < 6 << 20, "{after} bytes in use");
}
