//! The control socket: bytes as a stream of frames, headers as what they say, and a server with a client of each kind.
//!
//! The input: which of these, then bytes. However a stream is cut, the same frames come out of it as out of a plain
//! reading; a header that is understood is written and read as itself; and a client that sends anything loses its
//! connection at most, while another one goes on being served.

#[cfg(test)]
mod seeds;

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;

use ivring_proto::control::{
    Call, Code, Decoder, Event, Filter, GuestName, Incoming, MAX_BODY, MAX_HEADER, Request, Response, Server,
    Target,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Input;

/// Calls of one input.
const MOST_CALLS: u32 = 200;
/// Polls after which a server has served what is there.
const POLLS: u32 = 8;
/// Requests of a client that one poll may give.
const REQUESTS_A_POLL: usize = 64;
/// What a client may write before it reads again, in bytes, so that it never blocks.
const UNREAD: usize = 64 << 10;

/// How far an input came.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Frames that came out of a stream.
    pub frames: u32,
    /// A stream ended with a length out of bounds.
    pub out_of_bounds: bool,
    /// Headers that were understood.
    pub understood: u32,
    /// Requests that a server gave out.
    pub requests: u32,
    /// Answers that the hostile client has read.
    pub answers: u32,
    /// It was closed.
    pub closed: bool,
}

/// Runs an input.
///
/// # Panics
///
/// When something does not hold.
pub fn run(input: &[u8]) -> Reached {
    let mut input = Input::new(input);
    let mut reached = Reached::default();
    match input.byte() % 4 {
        0 => stream(&mut input, &mut reached),
        1 => header(input.rest(), &mut reached),
        2 => names(&mut input, &mut reached),
        _ => serve(&mut input, &mut reached),
    }
    reached
}

/// A source that hands out its bytes in pieces as the input says.
struct Pieces<'a> {
    bytes: &'a [u8],
    sizes: &'a [u8],
}

impl Read for Pieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let size = match self.sizes.split_first() {
            Some((size, rest)) => {
                self.sizes = rest;
                usize::from(*size).max(1)
            }
            None => usize::MAX,
        };
        let size = size.min(self.bytes.len()).min(into.len());
        let (piece, rest) = self.bytes.split_at(size);
        into[..size].copy_from_slice(piece);
        self.bytes = rest;
        Ok(size)
    }
}

/// Header and body.
type PlainFrame<'a> = (&'a [u8], &'a [u8]);

/// What a stream holds by a plain reading: its frames, and whether it goes wrong behind them.
fn plainly(bytes: &[u8]) -> (Vec<PlainFrame<'_>>, bool) {
    let (mut frames, mut rest) = (Vec::new(), bytes);
    while let Some((prefix, after)) = rest.split_first_chunk::<8>() {
        let [a, b, c, d, e, f, g, h] = *prefix;
        let lengths = [[a, b, c, d], [e, f, g, h]].map(|bytes| u32::from_le_bytes(bytes) as usize);
        if lengths[0] > MAX_HEADER || lengths[1] > MAX_BODY {
            return (frames, true);
        }
        let Some((header, after)) = after.split_at_checked(lengths[0]) else { break };
        let Some((body, after)) = after.split_at_checked(lengths[1]) else { break };
        frames.push((header, body));
        rest = after;
    }
    (frames, false)
}

fn stream(input: &mut Input<'_>, reached: &mut Reached) {
    let cuts = usize::from(input.byte());
    let sizes = input.bytes(cuts);
    let bytes = input.rest();
    let (expected, wrong) = plainly(bytes);
    let mut source = Pieces { bytes, sizes };
    let (mut decoder, mut got) = (Decoder::new(), 0);
    while !reached.out_of_bounds {
        let read = decoder.read_from(&mut source).expect("bytes never fail");
        if read == 0 {
            break;
        }
        loop {
            let has = decoder.has_next();
            match decoder.next_frame() {
                Ok(Some(frame)) => {
                    assert!(has, "a frame that was not announced");
                    let (header, body) = expected.get(got).expect("more frames than there are");
                    assert!(frame.header == *header && frame.body == *body, "frame {got} is another");
                    got += 1;
                }
                Ok(None) => {
                    assert!(!has, "a frame was announced and does not come");
                    break;
                }
                Err(_) => {
                    assert!(wrong && has, "an error without a reason");
                    assert!(decoder.next_frame().is_err(), "an error that does not stay");
                    reached.out_of_bounds = true;
                    break;
                }
            }
        }
    }
    assert_eq!((got, reached.out_of_bounds), (expected.len(), wrong));
    reached.frames = u32::try_from(got).unwrap_or(u32::MAX);
    for (header_bytes, _) in expected {
        header(header_bytes, reached);
    }
}

/// What is understood is written and read as itself.
fn survives<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(
    header: &[u8],
    reached: &mut Reached,
) {
    let Ok(value) = serde_json::from_slice::<T>(header) else { return };
    reached.understood += 1;
    let written = match serde_json::to_vec(&value) {
        Ok(written) => written,
        Err(error) => panic!("{value:?} is read and cannot be written: {error}"),
    };
    match serde_json::from_slice::<T>(&written) {
        Ok(again) => assert_eq!(again, value),
        Err(error) => panic!("{value:?} is written as what cannot be read: {error}"),
    }
}

fn header(header: &[u8], reached: &mut Reached) {
    survives::<Call>(header, reached);
    survives::<Response>(header, reached);
    survives::<Event>(header, reached);
    if let Ok(call) = serde_json::from_slice::<Call>(header) {
        // In milliseconds a number of 32 bits.
        assert!(call.request.patience().as_millis() <= u128::from(u32::MAX));
    }
}

/// Names as a client writes them.
fn names(input: &mut Input<'_>, reached: &mut Reached) {
    let topic = match input.byte() % 2 {
        0 => None,
        _ => Some(String::from_utf8_lossy(input.bytes(4)).into_owned()),
    };
    let text = String::from_utf8_lossy(input.rest()).into_owned();
    if GuestName::parse(&text).is_err() {
        return;
    }
    reached.understood += 1;
    let filter = Filter::new(Target { guest: Some(text), region: None }, topic).expect("it was a name");
    let message = |topic: &str| Event::Message {
        region: "fg_i3".to_owned(),
        from: None,
        topic: topic.to_owned(),
        message: 1,
        redelivered: false,
    };
    assert!(!filter.wants(&message("t")), "it is no guest's");
}

struct World {
    server: Server,
    hostile: Option<UnixStream>,
    good: UnixStream,
    good_answers: Decoder,
    answers: Decoder,
    asked: u64,
    /// Requests that the server gave out and nobody has answered.
    open: Vec<Incoming>,
}

/// A server, a client that sends what the input says, and one that only ever asks for the status.
fn serve(input: &mut Input<'_>, reached: &mut Reached) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("control.sock");
    let server = Server::bind(&path, 0o660).expect("a server");
    let connect = || {
        let stream = UnixStream::connect(&path).expect("a connection");
        stream.set_nonblocking(true).expect("it does not block");
        stream
    };
    let (hostile, good) = (Some(connect()), connect());
    let mut world = World {
        server,
        hostile,
        good,
        good_answers: Decoder::new(),
        answers: Decoder::new(),
        asked: 0,
        open: Vec::new(),
    };
    world.poll(reached);
    for _ in 0..MOST_CALLS {
        if input.is_empty() {
            break;
        }
        world.call(input, reached);
    }
    world.poll(reached);
    world.read(reached);
    world.good_client(reached);
    reached.closed = world.server.counts().clients < 2;
}

impl World {
    fn call(&mut self, input: &mut Input<'_>, reached: &mut Reached) {
        match input.byte() % 12 {
            0..=2 => {
                let (header, body) = (usize::from(input.byte()), usize::from(input.byte() % 16));
                let (header, body) = (input.bytes(header), input.bytes(body));
                let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
                self.write(&[&length(header), &length(body), header, body].concat());
            }
            3 => {
                let length = usize::from(input.byte());
                let bytes = input.bytes(length);
                self.write(bytes);
            }
            4 | 5 => self.poll(reached),
            6 | 7 => self.answer(input),
            8 => self.publish(input),
            9 => self.read(reached),
            10 => self.good_client(reached),
            _ if input.once_in(8) => self.hostile = None,
            _ => self.server.flush(),
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        let Some(stream) = &mut self.hostile else { return };
        debug_assert!(bytes.len() < UNREAD);
        match stream.write(bytes) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            // The server has closed it, as it may.
            Err(_) => self.hostile = None,
        }
    }

    fn poll(&mut self, reached: &mut Reached) {
        for _ in 0..POLLS {
            let incoming = self.server.poll();
            assert!(incoming.len() <= 2 * REQUESTS_A_POLL, "{} requests in a poll", incoming.len());
            assert!(incoming.iter().all(|incoming| incoming.id != 0));
            reached.requests += u32::try_from(incoming.len()).unwrap_or(u32::MAX);
            self.open.extend(incoming);
        }
        assert!(self.server.counts().clients <= 2);
    }

    fn answer(&mut self, input: &mut Input<'_>) {
        let Some(Incoming { client, id, request, body, .. }) = self.open.pop() else { return };
        match (request, input.byte() % 4) {
            (Request::Listen { target, topic }, 0 | 1) => match Filter::new(target, topic) {
                Ok(filter) => self.server.listen(client, id, filter),
                Err(error) => self.server.reply(client, &Response::failed(id, Code::BadInput, error), &[]),
            },
            (_, 0 | 1) => self.server.reply(client, &Response::done(id), &body),
            (_, 2) => {
                self.server.reply_early(client, &Response::done(id));
                self.server.end_early(client, &Event::Lost { count: id }, &body);
            }
            (request, _) => {
                let text = format!("{request:?}");
                self.server.reply(client, &Response::failed(id, Code::Failure, text), &[]);
            }
        }
    }

    fn publish(&mut self, input: &mut Input<'_>) {
        let topic = String::from_utf8_lossy(input.bytes(4)).into_owned();
        let event =
            Event::Message { region: "fg_i3".to_owned(), from: None, topic, message: 1, redelivered: false };
        let told = self.server.publish(&event, &[0; 32]).expect("it fits a frame");
        assert!(told <= self.server.counts().listeners);
    }

    /// The hostile client reads what it is told.
    fn read(&mut self, reached: &mut Reached) {
        self.server.flush();
        let Some(stream) = &mut self.hostile else { return };
        loop {
            match self.answers.read_from(stream) {
                Ok(0) => break,
                Ok(_) => {}
                Err(_) => break,
            }
            while let Some(frame) = self.answers.next_frame().expect("a server sends frames") {
                let is_event = serde_json::from_slice::<Event>(&frame.header).is_ok();
                let is_response = serde_json::from_slice::<Response>(&frame.header).is_ok();
                assert!(is_event || is_response, "{}", frame.header.escape_ascii());
                reached.answers += 1;
            }
        }
    }

    /// The other client asks, and is answered, whatever its neighbour did.
    fn good_client(&mut self, reached: &mut Reached) {
        self.asked += 1;
        let header = format!(r#"{{"id":{},"op":"status"}}"#, self.asked);
        let length = u32::try_from(header.len()).unwrap_or(u32::MAX).to_le_bytes();
        let frame = [&length[..], &[0; 4], header.as_bytes()].concat();
        self.good.write_all(&frame).expect("there is room for a request");
        self.poll(reached);
        let mine = |incoming: &Incoming| incoming.request == Request::Status && incoming.id == self.asked;
        let Some(index) = self.open.iter().rposition(mine) else { panic!("the request did not come") };
        // The hostile one may have asked the same under the same number; both are answered.
        let asked: Vec<Incoming> = self.open.extract_if(.., |incoming| mine(incoming)).collect();
        assert!(!asked.is_empty(), "at {index}");
        for Incoming { client, id, .. } in asked {
            self.server.reply(client, &Response::done(id), &[]);
        }
        self.server.flush();
        let frame = loop {
            if let Some(frame) = self.good_answers.next_frame().expect("a server sends frames") {
                break frame;
            }
            assert!(
                self.good_answers.read_from(&mut self.good).expect("an answer is there") > 0,
                "it was closed"
            );
        };
        let response: Response = serde_json::from_slice(&frame.header).expect("a response");
        assert_eq!(response, Response::done(self.asked));
    }
}
