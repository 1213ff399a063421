//! Fragments of the peer, put together again.
//!
//! A sender's transfers do not interleave, so one at a time is being put together. What does not fit where the last piece
//! ended is dropped and its sender told: a successor of a process that died in the middle finds such pieces in the ring.

use std::collections::VecDeque;

use super::budget::{Budget, Share};
use super::incarnation::Incarnation;
use super::outcome::Ending;
use crate::link::{Fragment, Kind, Received, Status};
use crate::memory::Memory;
use crate::ring::View;

/// The first memory taken for a message.
const FIRST: usize = 64 << 10;
/// Bytes copied at a time.
const CHUNK: usize = 4096;
/// Endings that wait to be told. A peer that keeps to its window of transfers never has more unread.
const MOST_ENDINGS: usize = 2 * super::WINDOW;

/// A message whose pieces have all come.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) kind: Kind,
    pub(super) id: u64,
    pub(super) status: Status,
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    /// Whether one of the pieces may have been received before.
    pub(super) redelivered: bool,
}

#[derive(Debug)]
struct Partial {
    transfer: u64,
    total: usize,
    received: usize,
    /// Nobody wants it: its pieces are counted and dropped.
    unwanted: bool,
    whole: Whole,
    share: Share,
}

#[derive(Debug)]
pub(super) struct Reassembly {
    budget: Budget,
    /// Longest message that is put together.
    most: usize,
    partial: Option<Partial>,
    /// Whole, and handed over to a program that is not yet done with them.
    in_hand: Vec<u64>,
    /// It is done with what it has in hand all at once, later.
    held: bool,
    /// Its further pieces are dropped: it was ended already.
    dropping: Option<u64>,
    endings: VecDeque<(u64, Ending)>,
    /// Whether messages are put together at all.
    wanted: bool,
    /// Pieces that belonged to nothing.
    dropped: u64,
    /// Messages that nobody wanted.
    unwanted: u64,
}

impl Reassembly {
    pub(super) fn new(budget: Budget, most: usize) -> Self {
        Reassembly {
            budget,
            most,
            partial: None,
            in_hand: Vec::new(),
            held: false,
            dropping: None,
            endings: VecDeque::new(),
            wanted: true,
            dropped: 0,
            unwanted: 0,
        }
    }

    /// Whether messages are to be put together; requests and responses always are.
    pub(super) fn want(&mut self, wanted: bool) {
        self.wanted = wanted;
    }

    /// Takes a piece; returns the message when that was the last one.
    pub(super) fn take<M: Memory>(
        &mut self,
        received: &Received<'_>,
        fragment: &Fragment,
        piece: &View<'_, M>,
    ) -> Option<Whole> {
        let Fragment { transfer, offset, .. } = *fragment;
        if offset == 0 {
            self.begin(received, fragment);
        }
        let fits = |partial: &Partial| {
            partial.transfer == transfer
                && partial.received as u64 == offset
                && partial.total as u64 == fragment.total
        };
        if !self.partial.as_ref().is_some_and(fits) {
            self.dropped += 1;
            self.give_up(transfer, Ending::Interrupted);
            return None;
        }
        let partial = self.partial.as_mut()?;
        partial.whole.redelivered |= received.redelivered;
        if !partial.append(piece) {
            self.give_up(transfer, Ending::NoMemory);
            return None;
        }
        if partial.received < partial.total {
            return None;
        }
        self.in_hand.push(transfer);
        // The share goes back here: from now on the bytes are the program's own.
        let partial = self.partial.take()?;
        self.unwanted += u64::from(partial.unwanted);
        (!partial.unwanted).then_some(partial.whole)
    }

    fn begin(&mut self, received: &Received<'_>, fragment: &Fragment) {
        if let Some(left) = self.partial.take() {
            // Its sender began another without an end: it is a new incarnation, or it is wrong.
            self.end(left.transfer, Ending::Interrupted);
        }
        let Some(total) = usize::try_from(fragment.total).ok().filter(|total| *total <= self.most) else {
            self.give_up(fragment.transfer, Ending::TooLarge);
            return;
        };
        self.dropping = None;
        let whole = Whole {
            kind: fragment.of,
            id: received.id,
            status: received.status,
            topic: received.topic.to_owned(),
            payload: Vec::new(),
            redelivered: false,
        };
        self.partial = Some(Partial {
            transfer: fragment.transfer,
            total,
            received: 0,
            unwanted: !self.wanted && fragment.of == Kind::Message,
            whole,
            share: self.budget.share(),
        });
    }

    /// Drops what has come of a transfer and what comes, and has its sender told once.
    fn give_up(&mut self, transfer: u64, ending: Ending) {
        if self.partial.as_ref().is_some_and(|partial| partial.transfer == transfer) {
            self.partial = None;
        }
        if self.dropping != Some(transfer) {
            self.dropping = Some(transfer);
            self.end(transfer, ending);
        }
    }

    /// The program is done with what it has in hand.
    pub(super) fn ack(&mut self) {
        while !self.held
            && let Some(transfer) = self.in_hand.pop()
        {
            self.end(transfer, Ending::Delivered);
        }
    }

    /// Holds [`ack`](Self::ack) back, or ends that.
    pub(super) fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// Has the peer told how a transfer ended.
    pub(super) fn end(&mut self, transfer: u64, ending: Ending) {
        if self.endings.len() == MOST_ENDINGS {
            // Only a peer that ignores its window gets here; it will not read this one either.
            self.endings.pop_front();
        }
        self.endings.push_back((transfer, ending));
    }

    /// The next ending to tell.
    pub(super) fn ending(&self) -> Option<(u64, Ending)> {
        self.endings.front().copied()
    }

    /// The peer was told.
    pub(super) fn told(&mut self) {
        self.endings.pop_front();
    }

    /// The sender gives the transfer up.
    pub(super) fn abandoned(&mut self, transfer: u64) {
        self.partial.take_if(|partial| partial.transfer == transfer);
    }

    /// Drops what an incarnation of the peer began that is not `peer`.
    pub(super) fn keep_only(&mut self, peer: Incarnation) {
        self.partial.take_if(|partial| !peer.began(partial.transfer));
    }

    /// Forgets everything: the session is over.
    pub(super) fn clear(&mut self) {
        self.partial = None;
        self.in_hand.clear();
        self.dropping = None;
        self.endings.clear();
    }

    /// Pieces that belonged to nothing.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Messages that nobody wanted.
    pub(super) fn unwanted(&self) -> u64 {
        self.unwanted
    }

    /// Bytes taken for what is not whole yet.
    pub(super) fn held(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| partial.share.bytes())
    }

    /// Counts from nothing again.
    pub(super) fn forget_losses(&mut self) {
        (self.dropped, self.unwanted) = (0, 0);
    }
}

impl Partial {
    /// Appends a piece if there is memory for it. Takes twice as much each time, and never more than what has come twice
    /// over: a sender that promises much and sends little holds little.
    fn append<M: Memory>(&mut self, piece: &View<'_, M>) -> bool {
        let Partial { total, received, unwanted, whole, share, .. } = self;
        *received += piece.length();
        if *unwanted {
            return true;
        }
        let payload = &mut whole.payload;
        let needed = payload.len() + piece.length();
        if needed > payload.capacity() {
            let capacity = needed.max(2 * payload.capacity()).max(FIRST).min(*total);
            let more = capacity - payload.len();
            if !share.grow(capacity - payload.capacity()) || payload.try_reserve_exact(more).is_err() {
                return false;
            }
        }
        // By way of a buffer that stays in the nearest cache: memory that is not yet a part of the vector cannot be written, and
        // making it one first would write all of it twice.
        let mut buffer = [0; CHUNK];
        let mut chunks = piece.chunks(&mut buffer);
        while let Some(chunk) = chunks.next_chunk() {
            payload.extend_from_slice(chunk);
        }
        true
    }
}
