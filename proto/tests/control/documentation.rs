//! `docs/control.md` says what is so: its examples are read as what they show, and its client is run.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use ivring_proto::control::{Call, Event, Filter, MAX_BODY, MAX_HEADER, Request, Response, Sent};
use serde_json::Value;

use crate::served::Served;

const PAGE: &str = include_str!("../../../docs/control.md");

/// The contents of the fenced blocks of one language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    PAGE.split(&fence)
        .skip(1)
        .map(|rest| rest.split("```").next().expect("split gives one at least"))
        .collect()
}

#[test]
fn examples_are_frames_of_this_version() {
    let (mut requests, mut events) = (Vec::new(), Vec::new());
    for example in blocks("json") {
        let value: Value = serde_json::from_str(example).unwrap();
        // Written again it must be the same: then no field is misnamed or left over.
        let again = if value.get("op").is_some() {
            let call: Call = serde_json::from_value(value.clone()).unwrap();
            requests.push(value["op"].as_str().unwrap().to_owned());
            serde_json::to_value(&call).unwrap()
        } else if value.get("event").is_some() {
            let event: Event = serde_json::from_value(value.clone()).unwrap();
            events.push(value["event"].as_str().unwrap().to_owned());
            serde_json::to_value(&event).unwrap()
        } else {
            let response: Response = serde_json::from_value(value.clone()).unwrap();
            serde_json::to_value(&response).unwrap()
        };
        for (field, shown) in value.as_object().unwrap() {
            assert_eq!(again.get(field), Some(shown), "{field} in {example}");
        }
    }
    for operation in ["status", "list", "ping", "send", "request", "listen", "serve", "respond", "evict"] {
        assert!(requests.iter().any(|shown| shown == operation), "{operation} has no example");
        assert!(PAGE.contains(&format!("### {operation}\n")), "{operation} has no section");
    }
    for event in [
        "message",
        "attached",
        "detached",
        "lost",
        "stale",
        "back",
        "undelivered",
        "delivered",
        "interrupted",
        "declined",
        "refused",
        "fault",
        "superblock_mended",
        "second_writer",
        "regained",
        "region_lost",
        "request",
        "response",
        "pong",
        "unanswered",
    ] {
        assert!(events.iter().any(|shown| shown == event), "{event} has no example");
    }
    assert!(PAGE.contains(&MAX_HEADER.to_string()) && PAGE.contains(&MAX_BODY.to_string()));
}

#[test]
fn the_python_client_works() {
    if Command::new("python3").arg("--version").output().is_err() {
        assert!(
            std::env::var_os("CI").is_none(),
            "python3 is missing, and in CI the documented client must be run"
        );
        eprintln!("SKIPPED: there is no python3 to run the client of docs/control.md");
        return;
    }
    let served = Served::run(|server, incoming| match incoming.request {
        Request::Send { topic, .. } => {
            assert_eq!((&topic[..], &incoming.body[..]), ("greeting", &b"hello"[..]));
            server.reply(incoming.client, &Response::carrying(incoming.id, &Sent { message: 42 }), &[]);
        }
        Request::Listen { target, topic } => {
            server.listen(incoming.client, incoming.id, Filter::new(target, topic).expect("a filter"));
            let event = Event::Message {
                region: "fg_i3".into(),
                from: None,
                topic: "log".into(),
                message: 7,
                redelivered: false,
            };
            server.publish(&event, b"line").expect("it fits");
        }
        other => panic!("{other:?}"),
    });
    let scripts = blocks("python");
    assert_eq!(scripts.len(), 1);
    let mut client = Command::new("python3")
        .arg("-c")
        .arg(scripts[0])
        .arg(served.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(client.stdout.take().unwrap()).lines();
    let mut shown = Vec::new();
    // It prints three lines and waits for more; if it failed instead, its output ends.
    while shown.len() < 3
        && let Some(line) = lines.next()
    {
        shown.push(line.unwrap());
    }
    // The end of the server is the end of its loop.
    drop(served);
    let ended = client.wait().unwrap();
    assert_eq!(
        shown,
        [
            "{'id': 1, 'ok': True, 'message': 42} b''",
            "{'id': 2, 'ok': True} b''",
            "{'event': 'message', 'region': 'fg_i3', 'topic': 'log', 'message': 7, 'redelivered': False} b'line'",
        ]
    );
    assert!(ended.success());
    assert!(lines.next().is_none());
}
