//! The guest of 1.0.

use std::mem;
use std::path::Path;

use ivring_proto::memory::{MappedFile, Memory as _};

use super::pulse::Pulse;
use super::region::{Place, Region, map, wrong};
use super::request::Request;
use super::running::{Peer, Seen};
use super::talk::Talk;
use crate::Error;

/// Who a guest is.
#[derive(Debug, Clone)]
pub struct Program {
    /// UUID of the virtual machine.
    pub uuid: u128,
    /// This boot of it.
    pub boot: u128,
    /// At most 32 bytes.
    pub port: String,
    /// At most 64 bytes.
    pub name: String,
}

/// A guest that joins with versions 1.0 to 1.0.
#[derive(Debug)]
pub struct OldGuest {
    map: MappedFile,
    program: Program,
    state: State,
}

#[derive(Debug)]
enum State {
    Waiting,
    Joining(Request),
    Attached(Box<Session>),
    Over,
}

#[derive(Debug)]
struct Session {
    region: Region,
    place: Place,
    nonce: u64,
    pulse: Pulse,
    talk: Talk,
}

impl OldGuest {
    /// A guest in the region of this file, which must be there.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if it cannot be mapped.
    pub fn open(path: &Path, program: Program) -> Result<Self, Error> {
        let (_, map) = map(path)?;
        Ok(Self { map, program, state: State::Waiting })
    }

    /// The rings of its session.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] when it has none.
    pub fn talk(&mut self) -> Result<&mut Talk, Error> {
        match &mut self.state {
            State::Attached(session) => Ok(&mut session.talk),
            _ => Err(wrong("the old guest is not attached")),
        }
    }

    /// Says good-bye; nothing is written afterwards.
    pub fn bye(&mut self) {
        if let State::Attached(session) = mem::replace(&mut self.state, State::Over) {
            self.map.store(session.place.guest + 288, 1);
            self.map.store_release(session.place.guest + 272, session.nonce);
        }
    }

    fn join(&mut self) -> Result<Option<Seen>, Error> {
        let State::Joining(request) = &mut self.state else { return Ok(None) };
        let Some(place) = request.offer() else {
            request.repeat(&self.program)?;
            return Ok(request.refusal().map(|(code, text)| Seen::Refused(code, text)));
        };
        let pulse = Pulse::start(&self.map, place.guest + 264)?;
        let talk = request.confirm(place)?;
        let (region, nonce) = (request.region.clone(), request.nonce);
        self.state = State::Attached(Box::new(Session { region, place, nonce, pulse, talk }));
        Ok(Some(Seen::Attached))
    }
}

impl Session {
    /// Beats and receives, as long as the channel is its own.
    fn step(&mut self) -> Result<Option<Seen>, Error> {
        let map = &self.region.map;
        let (state, nonce) = (map.load(self.place.entry), map.load_acquire(self.place.entry + 8));
        if map.load(8) != 2 || map.load(120) != self.region.generation {
            return Ok(Some(Seen::Ended(9)));
        }
        match state & 0xff {
            1 | 2 if nonce == self.nonce => {}
            // It is being changed.
            1 | 2 if nonce == 0 => return Ok(None),
            3 => return Ok(Some(Seen::Ended(state >> 8 & 0xff))),
            0 => return Ok(Some(Seen::Ended(5))),
            _ => return Ok(Some(Seen::Ended(4))),
        }
        map.store(self.place.guest + 280, map.load(self.place.entry + 96));
        self.pulse.beat(map)?;
        Ok(self.talk.receive()?.map(Seen::Received))
    }
}

impl Peer for OldGuest {
    fn step(&mut self) -> Result<Option<Seen>, Error> {
        match &mut self.state {
            State::Waiting => {
                if let Some(region) = Region::read(&self.map)? {
                    self.state = State::Joining(Request::start(region, &self.program)?);
                }
                Ok(None)
            }
            State::Joining(_) => self.join(),
            State::Attached(session) => {
                let seen = session.step()?;
                if let Some(Seen::Ended(_)) = seen {
                    self.state = State::Over;
                }
                Ok(seen)
            }
            State::Over => Ok(None),
        }
    }
}
