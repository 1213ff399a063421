//! Messages that wait for room in a guest's ring, in the order in which they came.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ivring_proto::control::ClientId;
use ivring_proto::session::Identity;

use super::hosts::RegionId;

/// Messages that may wait.
const MOST: usize = 4096;

/// One message that waits.
#[derive(Debug)]
pub(super) struct WaitingSend {
    pub(super) client: ClientId,
    /// The client's number for it.
    pub(super) id: u64,
    /// The client does not wait for its delivery.
    pub(super) early: bool,
    pub(super) topic: String,
    pub(super) body: Vec<u8>,
    pub(super) since: Instant,
    pub(super) patience: Duration,
}

/// The messages that wait for one guest.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) region: RegionId,
    pub(super) guest: Identity,
    /// The guest, as errors name it.
    pub(super) shown: String,
    /// Room in its ring when the first was last tried; nothing to try while it is the same.
    pub(super) room: u64,
    pub(super) sends: VecDeque<WaitingSend>,
}

/// All messages that wait.
#[derive(Debug, Default)]
pub(super) struct WaitingSends {
    queues: Vec<Queue>,
}

impl WaitingSends {
    /// Whether a message waits for this guest: a later one must not overtake it.
    pub(super) fn any_for(&self, region: RegionId, guest: &Identity) -> bool {
        self.queues.iter().any(|queue| queue.region == region && queue.guest == *guest)
    }

    /// Whether as many wait as may.
    pub(super) fn is_full(&self) -> bool {
        self.queues.iter().map(|queue| queue.sends.len()).sum::<usize>() >= MOST
    }

    /// Bytes of all that wait.
    pub(super) fn bytes(&self) -> usize {
        self.queues.iter().flat_map(|queue| &queue.sends).map(|send| send.body.len()).sum()
    }

    /// Puts a message at the end of its guest's queue.
    pub(super) fn push(
        &mut self,
        region: RegionId,
        guest: Identity,
        shown: String,
        room: u64,
        send: WaitingSend,
    ) {
        let index = self.queues.iter().position(|queue| queue.region == region && queue.guest == guest);
        match index {
            Some(index) => self.queues[index].sends.push_back(send),
            None => self.queues.push(Queue { region, guest, shown, room, sends: [send].into() }),
        }
    }

    /// Takes the queues out, to work on them; [`put_back`](Self::put_back) follows.
    pub(super) fn take(&mut self) -> Vec<Queue> {
        std::mem::take(&mut self.queues)
    }

    /// Puts back what still waits.
    pub(super) fn put_back(&mut self, mut queues: Vec<Queue>) {
        queues.retain(|queue| !queue.sends.is_empty());
        self.queues = queues;
    }

    /// Forgets what clients that have gone wanted to send.
    pub(super) fn keep_clients(&mut self, is_there: impl Fn(ClientId) -> bool) {
        let mut queues = self.take();
        for queue in &mut queues {
            queue.sends.retain(|send| is_there(send.client));
        }
        self.put_back(queues);
    }
}
