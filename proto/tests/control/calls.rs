//! Requests and their answers.

use std::time::Duration;

use ivring_proto::control::{
    Client, ClientError, Code, FrameError, Incoming, MAX_BODY, Pong, Request, Response, Sent, Server,
    Service, Target,
};
use tempfile::TempDir;

use crate::served::{Served, connect, path_in};

const SOON: Duration = Duration::from_secs(30);

fn send(topic: &str) -> Request {
    Request::Send { target: Target::default(), topic: topic.into(), wait_ms: 0 }
}

/// Answers everything with success and the request's own body.
fn echo(server: &mut Server, incoming: Incoming) {
    server.reply(incoming.client, &Response::done(incoming.id), &incoming.body);
}

#[test]
fn a_call_returns_its_answer_and_body() {
    let served = Served::run(|server, incoming| {
        assert_eq!(incoming.request, Request::Status);
        let response = Response::carrying(incoming.id, &Pong { round_trip_ns: 700 });
        server.reply(incoming.client, &response, b"beside");
    });
    let mut client = served.client();
    for _ in 0..3 {
        let (response, body) = client.call(&Request::Status, &[]).unwrap();
        assert_eq!(response.payload::<Pong>().unwrap().round_trip_ns, 700);
        assert_eq!(body, b"beside");
    }
    assert_eq!(client.unanswered(), 0);
}

#[test]
fn a_refusal_carries_code_and_words() {
    let served = Served::run(|server, incoming| {
        let response = Response::failed(incoming.id, Code::Negative, "no guest `web9`; there is: web1");
        server.reply(incoming.client, &response, &[]);
    });
    let error = served.client().call(&Request::List, &[]).unwrap_err();
    assert!(matches!(&error, ClientError::Refused { code: Code::Negative, .. }));
    assert_eq!(error.code(), Code::Negative);
    assert_eq!(error.to_string(), "no guest `web9`; there is: web1");
}

#[test]
fn nobody_there_is_said_with_path_and_remedy() {
    let directory = TempDir::new().unwrap();
    let path = path_in(&directory);
    let error = Client::connect(Service::Agent, &path).unwrap_err();
    assert_eq!(error.code(), Code::Failure);
    let text = error.to_string();
    assert!(text.contains(path.to_str().unwrap()) && text.contains("start ivring-agent"), "{text}");

    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(matches!(Client::connect(Service::Daemon, &path), Err(ClientError::NobodyListens { .. })));
}

#[test]
fn the_longest_body_goes_both_ways() {
    let served = Served::run(echo);
    let mut client = served.client();
    let body: Vec<u8> = (0..MAX_BODY).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let (_, back) = client.call(&send("big"), &body).unwrap();
    assert!(back == body);

    let error = client.call(&send("bigger"), &vec![0; MAX_BODY + 1]).unwrap_err();
    assert!(matches!(error, ClientError::Frame(FrameError::BodyTooLong(_))));
    assert_eq!(error.code(), Code::BadInput);
    client.call(&send("after"), &[]).unwrap();
}

#[test]
fn an_answer_that_fits_no_frame_is_a_failure_with_its_reason() {
    let served = Served::run(|server, incoming| {
        server.reply(incoming.client, &Response::done(incoming.id), &vec![0; MAX_BODY + 1]);
    });
    let error = served.client().call(&Request::Status, &[]).unwrap_err();
    assert!(
        matches!(&error, ClientError::Refused { code: Code::Failure, text, .. } if text.contains(&(MAX_BODY + 1).to_string())),
        "{error}"
    );
}

#[test]
fn pipelined_requests_are_all_answered_in_order() {
    const REQUESTS: u64 = 20_000;
    let mut next = 0;
    let served = Served::run(move |server, incoming| {
        next += 1;
        let full = next % 7 == 0;
        let response = if full {
            Response::failed(incoming.id, Code::Refused, "full")
        } else {
            Response::carrying(incoming.id, &Sent { message: next })
        };
        server.reply(incoming.client, &response, &incoming.body);
    });
    let mut client = served.client();
    let ids: Vec<_> =
        (0..REQUESTS).map(|at| client.send_nowait(&send("log"), &at.to_le_bytes()).unwrap()).collect();
    for (at, id) in (0..REQUESTS).zip(ids) {
        let (response, body) = client.next_response(SOON).unwrap();
        assert_eq!(response.id, id);
        assert_eq!(response.ok, (at + 1) % 7 != 0);
        assert_eq!(body, at.to_le_bytes());
    }
    assert_eq!(client.unanswered(), 0);
}

#[test]
fn pipelined_long_requests_with_long_answers_do_not_lock_up() {
    let served = Served::run(echo);
    let mut client = served.client();
    let body = vec![9; 1 << 20];
    for _ in 0..60 {
        client.send_nowait(&send("big"), &body).unwrap();
    }
    for _ in 0..60 {
        assert!(client.next_response(SOON).unwrap().1 == body);
    }
}

#[test]
fn a_call_picks_its_own_answer_from_others() {
    let mut waiting = Vec::new();
    let served = Served::run(move |server, incoming| {
        waiting.push(incoming);
        if waiting.len() == 3 {
            for at in [1, 2, 0] {
                echo(server, waiting[at].clone());
            }
        }
    });
    let mut client = served.client();
    let first = client.send_nowait(&send("a"), b"first").unwrap();
    let second = client.send_nowait(&send("b"), b"second").unwrap();
    assert_eq!(client.unanswered(), 2);
    assert_eq!(client.call(&send("c"), b"own").unwrap().1, b"own");
    for (id, body) in [(second, b"second".to_vec()), (first, b"first".to_vec())] {
        let (response, echoed) = client.next_response(SOON).unwrap();
        assert_eq!((response.id, echoed), (id, body));
    }
}

#[test]
fn no_answer_is_a_timeout_and_an_end_is_an_end() {
    let served = Served::run(|_, _| {});
    let mut client = served.client();
    client.send_nowait(&Request::Status, &[]).unwrap();
    let error = client.next_response(Duration::from_millis(20)).unwrap_err();
    assert!(matches!(error, ClientError::TimedOut { .. }));
    assert!(error.to_string().contains("20 ms"), "{error}");
    drop(served);
    assert!(matches!(client.next_response(SOON), Err(ClientError::Closed)));
    assert!(matches!(client.call(&Request::Status, &[]), Err(ClientError::Closed)));
}

#[test]
fn one_client_too_many_reads_why() {
    let served = Served::run(echo);
    let clients: Vec<_> = (0..ivring_proto::control::MAX_CLIENTS)
        .map(|_| {
            let mut client = connect(&served.path());
            client.call(&Request::Status, &[]).unwrap();
            client
        })
        .collect();
    let error = served.client().call(&Request::Status, &[]).unwrap_err();
    assert!(
        matches!(&error, ClientError::Refused { code: Code::Refused, text, .. } if text.contains("64 clients")),
        "{error}"
    );
    drop(clients);
    // The server sees the ends in its own time.
    while served.client().call(&Request::Status, &[]).is_err() {
        std::thread::yield_now();
    }
}
