//! What the agent keeps in memory, and what its messages leave behind.

use ivring_proto::control::{Code, Request, Target};
use ivring_proto::link::{Fragment, Kind, SendError, Status, Topic};

use crate::agent::{PATIENCE, Place, attached, attached_with, wait_for};
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

/// The most memory that was ever resident, in bytes, the mapped region among it.
fn most_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib * 1024
}

#[test]
fn a_host_that_asks_for_large_echoes_and_takes_none_costs_four_messages() {
    const MESSAGE: u64 = 2 << 20;
    const ASKED: u64 = 12;
    let place = Place::new();
    let (host, agent) = attached_with(&place, &["--max-message", "2M"]);
    let before = most_bytes(agent.pid());
    host.with(|ends| {
        let link = ends[0].link().unwrap();
        let topic = Topic::new("ivring.echo").unwrap();
        let piece = vec![7; link.max_piece(topic.as_str().len())];
        for number in 1..=ASKED {
            let mut offset = 0;
            while offset < MESSAGE {
                let fragment =
                    Fragment { transfer: 1 << 63 | number, total: MESSAGE, offset, of: Kind::Request };
                let named = (offset == 0).then_some(topic);
                let length = piece.len().min(usize::try_from(MESSAGE - offset).unwrap());
                match link.send_piece(&fragment, number, Status::Ok, named, &piece[..length]) {
                    Ok(()) => offset += length as u64,
                    Err(SendError::Full { .. }) => std::thread::sleep(std::time::Duration::from_millis(1)),
                    Err(error) => panic!("{error}"),
                }
                link.flush();
            }
        }
    });
    let lost = || place.status().1["counters"]["answers_lost"].as_u64().filter(|lost| *lost >= ASKED - 4);
    wait_for("loss", lost);
    let took = most_bytes(agent.pid()) - before;
    // The region is a mebibyte, and half a ring of buffer.
    assert!(took <= 4 * MESSAGE + (3 << 20), "{took} bytes more were in use");
}

#[test]
fn a_topic_that_is_none_is_not_kept_however_long_it_is() {
    let place = Place::new();
    let (host, agent) = attached(&place);
    let paused = host.pause();
    let mut client = place.client();
    let send = |topic: String| Request::Send { target: Target::default(), topic, wait_ms: 60_000 };
    // Some wait for room; those behind them would, too.
    for _ in 0..20 {
        client.send_nowait(&send("t".into()), &[7; 20_000]).unwrap();
    }
    let before = most_bytes(agent.pid());
    for _ in 0..30 {
        let id = client.send_nowait(&send("t".repeat(1_000_000)), b"").unwrap();
        while {
            let (response, _) = client.next_response(PATIENCE).unwrap();
            assert!(response.id != id || response.code == Code::BadInput, "{response:?}");
            response.id != id
        } {}
    }
    let took = most_bytes(agent.pid()) - before;
    assert!(took <= 8 << 20, "{took} bytes more were in use");
    drop(paused);
}
