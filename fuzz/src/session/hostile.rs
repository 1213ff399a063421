//! What a guest writes that no program would, and what anybody does who writes the whole region.

use ivring_proto::layout::{
    LINE, RingPlace, VersionRange, cell_word, control_word, entry_word, status_word, superblock_word,
};
use ivring_proto::session::{JoinRequest, Text, Uuid, write_request};

use super::{CHANNELS, Liar, World, identity};
use crate::{Input, lies};

impl World {
    /// What a guest writes that knows its session: a confirmation, a good-bye, an answer to a challenge.
    pub(super) fn forge(&mut self, channel: usize, input: &mut Input<'_>) {
        if self.liar == Liar::Nobody || (self.liar == Liar::OneGuest && channel != 0) {
            return;
        }
        self.lied = true;
        let place = self.place(channel as u64);
        let (nonce, salt) = (
            self.memory.look(place.entry + entry_word::NONCE),
            self.memory.look(place.entry + entry_word::SALT),
        );
        let session = place.guest_control + control_word::SESSION;
        let (at, value) = match input.byte() % 4 {
            0 => (control_word::CONFIRM, nonce ^ salt),
            1 => (control_word::BYE, nonce),
            2 => (control_word::BYE_REASON, u64::from(input.byte())),
            _ => {
                let asked = self.memory.look(place.entry + entry_word::CHALLENGE);
                (control_word::CHALLENGE_ANSWER, asked)
            }
        };
        self.memory.scribble(session + at, value);
    }

    /// A request of anybody, well formed.
    pub(super) fn forge_request(&mut self, input: &mut Input<'_>) {
        if self.liar != Liar::Anybody {
            return;
        }
        self.lied = true;
        let cell = u64::from(input.byte()) % cell_word::COUNT;
        let cell = self.superblock.geometry.cell(cell).expect("one of the cells");
        let owner = usize::from(input.byte() % 8);
        let name = input.bytes(16);
        let request = JoinRequest {
            attempt: u64::from(input.byte()),
            nonce: u64::from(input.byte()),
            identity: identity(owner),
            boot: Uuid::from_u128(u128::from(input.byte() % 4)),
            versions: match input.byte() % 4 {
                0 => VersionRange::from_word(input.word()),
                _ => VersionRange::SUPPORTED,
            },
            features_required: u64::from(input.byte() % 16 / 15),
            features_optional: 0,
            name: Text::from_bytes(name),
            second_writer: input.byte() % 4 == 3,
        };
        write_request(&self.memory, cell, &request);
    }

    /// A word that means something, and what to write there.
    pub(super) fn lie(&mut self, input: &mut Input<'_>) -> Option<(u64, u64)> {
        let kind = input.byte();
        let channel = match self.liar {
            Liar::Nobody => return None,
            Liar::OneGuest => 0,
            Liar::Anybody => u64::from(kind / 64) % CHANNELS,
        };
        self.lied = true;
        let place = self.place(channel);
        let inside = |length: u64, input: &mut Input<'_>| u64::from(input.byte()) * 8 % length;
        let at = match kind % 16 {
            0..=4 => {
                let salt = self.memory.look(place.entry + entry_word::SALT);
                let (at, value) = self.lie_in_ring(&place.to_host, salt, input);
                // The consumer's line is the host's. A guest alone lies in its own.
                let own = at < place.to_host.consumer || at >= place.to_host.consumer + LINE;
                let moved = place.to_guest.consumer + at % LINE;
                return Some((if own || self.liar == Liar::Anybody { at } else { moved }, value));
            }
            5 | 6 => place.guest_control + inside(control_word::SIZE, input),
            _ if self.liar == Liar::OneGuest => {
                place.guest_control + control_word::SESSION + inside(LINE, input)
            }
            7 | 8 => {
                let salt = self.memory.look(place.entry + entry_word::TO_GUEST_SALT);
                return Some(self.lie_in_ring(&place.to_guest, salt, input));
            }
            9 => place.host_control + inside(control_word::SIZE, input),
            10 | 11 => place.entry + inside(entry_word::SIZE, input),
            12 => {
                let cell = self.superblock.geometry.cell(0).expect("the first cell");
                cell + u64::from(input.short()) * 8 % (cell_word::COUNT * cell_word::SIZE)
            }
            13 => {
                self.superblock.geometry.status() + input.pick(&[status_word::EPOCH, status_word::HEARTBEAT])
            }
            14 => {
                self.superblock.geometry.status() + status_word::ANSWERS + u64::from(input.short()) * 8 % 2048
            }
            // What a guest that looks at it anew makes of another geometry is the superblock's target.
            _ => {
                input.pick(&[superblock_word::STATE, superblock_word::GENERATION, superblock_word::VERSIONS])
            }
        };
        let value = lies::word(input, self.memory.look(at));
        Some((at, value))
    }

    fn lie_in_ring(&self, ring: &RingPlace, salt: u64, input: &mut Input<'_>) -> (u64, u64) {
        let ends = [ring.producer + control_word::HINT, ring.consumer + control_word::SEEN];
        lies::in_ring(input, ring, salt, ends.map(|at| self.memory.look(at)), |at| self.memory.look(at))
    }
}
