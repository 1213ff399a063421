//! What a side sends that no program would.

use ivring_proto::link::{Fragment, Kind, Status, Topic};
use ivring_proto::ring::Class;

use super::{SALT, World};
use crate::{Input, lies};

/// Lives of the two programs and of those that replace them: numbers of transfers hold one.
const LIVES: [u64; 4] = [100, 200, 101, 201];

impl World {
    pub(super) fn lie(&mut self, index: usize, input: &mut Input<'_>) -> (u64, u64) {
        self.honest = false;
        let [own, other] = if index == 0 { [0, 1] } else { [1, 0] };
        let ends = [self.sides[own].link.tx().position(), self.sides[other].link.rx().position()];
        lies::in_ring(input, &self.sides[own].rings[0], SALT, ends, |at| self.memory.look(at))
    }

    /// A piece of anything, where it likes.
    pub(super) fn lie_in_a_fragment(&mut self, index: usize, input: &mut Input<'_>) {
        self.honest = false;
        let side = &mut self.sides[index];
        let named = input.once_in(2);
        let topic = named.then(|| Topic::new("t").expect("a topic"));
        let length = usize::from(input.short()) % (side.link.max_piece(1) + 1);
        let number = |input: &mut Input<'_>| match input.byte() % 4 {
            0 => u64::from(input.byte()),
            1 => u64::from(input.short()),
            2 => input.word(),
            _ => length as u64 * u64::from(input.byte() % 4),
        };
        // Those of the other side's own transfers among them.
        let life = input.pick(&LIVES);
        let transfer = 1 << 63 | life << 32 | u64::from(input.byte() % 4);
        let fragment = Fragment {
            transfer,
            total: number(input),
            offset: number(input),
            of: input.pick(&[Kind::Message, Kind::Request, Kind::Response, Kind::Ping]),
        };
        let id = if input.once_in(2) { u64::from(input.byte()) | life << 32 } else { transfer };
        let piece = vec![0x5a; length];
        let outcome = side.link.send_piece(&fragment, id, Status::Ok, topic, &piece);
        side.link.flush();
        if let Err(error) = outcome {
            self.refused(index, error);
        }
    }

    pub(super) fn lie_in_an_end(&mut self, index: usize, input: &mut Input<'_>) {
        self.honest = false;
        let life = input.pick(&LIVES);
        let transfer = 1 << 63 | life << 32 | u64::from(input.byte() % 8);
        let side = &mut self.sides[index];
        let outcome = side.link.end_transfer(transfer, u16::from(input.byte() % 8));
        side.link.flush();
        if let Err(error) = outcome {
            self.refused(index, error);
        }
    }

    /// A record of any kind with any content, as only the ring checks it.
    pub(super) fn lie_in_a_record(&mut self, index: usize, input: &mut Input<'_>) {
        self.honest = false;
        let kind = if input.once_in(4) { input.byte().max(2) } else { 2 + input.byte() % 7 };
        let length = usize::from(input.byte());
        let bytes = input.bytes(length);
        let side = &mut self.sides[index];
        // A full ring is no concern here, and a fault is found by whoever sends next.
        let _ = side.link.tx().push(kind, Class::Control, &[bytes]);
        side.link.flush();
    }
}
