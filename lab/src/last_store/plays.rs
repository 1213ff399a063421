//! The plays: what happens up to the moment from which on each store may be the actor's last, and what happens then.

use super::order::{Order, Role};
use super::stage::{Stage, Stop};

const GUEST: Role = Role::Guest(0);
const NEIGHBOUR: Role = Role::Guest(1);

/// A play.
pub(super) struct Play {
    pub(super) name: String,
    /// Who dies.
    pub(super) subject: Role,
    /// Whether the guest's session may end: what was sent to it may be told to be undelivered then.
    pub(super) ends: bool,
    /// Whether the guest's program dies with the host.
    pub(super) with_the_guest: bool,
    /// Every so many stores one death: 1 but for what is the same store over and over.
    pub(super) stride: u64,
    script: Script,
}

type Script = Box<dyn Fn(&mut Stage<'_>) -> Result<(), Stop>>;

impl Play {
    fn new(
        name: impl Into<String>,
        subject: Role,
        script: impl Fn(&mut Stage<'_>) -> Result<(), Stop> + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            subject,
            ends: false,
            with_the_guest: false,
            stride: 1,
            script: Box::new(script),
        }
    }

    fn ends(self) -> Self {
        Self { ends: true, ..self }
    }

    /// Plays it once, until somebody dies.
    pub(super) fn play(&self, stage: &mut Stage<'_>) -> Result<(), Stop> {
        (self.script)(stage)
    }
}

/// All plays.
pub(super) fn all() -> Vec<Play> {
    let mut plays = vec![
        Play { stride: 16, ..Play::new("the host makes a region", Role::Host, makes_a_region) },
        Play::new("a guest joins", GUEST, joins),
        Play::new("the host admits a guest", Role::Host, joins),
        Play::new("a guest publishes, receives and releases", GUEST, converses),
        Play::new("the host publishes, receives and releases", Role::Host, converses),
        Play::new("a guest's next program takes over", GUEST, guest_follows),
        Play::new("the host admits a guest's next program", Role::Host, guest_follows),
        Play {
            with_the_guest: true,
            ..Play::new("the host dies with the next program that it admits", Role::Host, guest_follows)
        },
        Play::new("the next host takes over", Role::Host, host_follows),
        Play::new("a guest says good-bye", GUEST, guest_leaves).ends(),
        Play::new("the host hears a good-bye", Role::Host, guest_leaves_all_received).ends(),
        Play::new("the host admits a guest that has booted anew", Role::Host, guest_boots).ends(),
        Play::new("the host evicts a guest", Role::Host, evicts).ends(),
        Play::new("the host leaves", Role::Host, host_leaves),
    ];
    // A death in the midst of a batch, of a fragment, of the words that follow; and then another while that is mended.
    for first in (0..45).step_by(3) {
        for (who, subject) in [("a guest's", GUEST), ("the host's", Role::Host)] {
            let name = format!("{who} next program takes over from one that died before store {first}");
            plays.push(Play::new(name, subject, move |stage| follows_a_death(stage, first)));
        }
    }
    plays
}

fn begin(stage: &mut Stage<'_>) -> Result<(), Stop> {
    Role::ALL.into_iter().try_for_each(|role| stage.begin(role))?;
    stage.until_attached()
}

fn makes_a_region(stage: &mut Stage<'_>) -> Result<(), Stop> {
    stage.doom()?;
    begin(stage)
}

fn joins(stage: &mut Stage<'_>) -> Result<(), Stop> {
    stage.begin(Role::Host)?;
    stage.begin(NEIGHBOUR)?;
    stage.rounds(20)?;
    stage.say(NEIGHBOUR, Role::Host, &[24, 100])?;
    stage.doom()?;
    stage.begin(GUEST)?;
    stage.until_attached()?;
    stage.say(Role::Host, NEIGHBOUR, &[24, 100])?;
    stage.say(GUEST, Role::Host, &[24])?;
    stage.rounds(2)
}

/// Messages in both directions, not received.
fn unread(stage: &mut Stage<'_>) -> Result<(), Stop> {
    for role in [GUEST, NEIGHBOUR] {
        stage.say(role, Role::Host, &[24, 100, 31])?;
        stage.say(Role::Host, role, &[24, 100, 31])?;
        stage.say(Role::Host, role, &[200])?;
        stage.say(role, Role::Host, &[200])?;
    }
    Ok(())
}

/// Batches, messages in fragments, the end of the ring, in both directions.
fn converses(stage: &mut Stage<'_>) -> Result<(), Stop> {
    begin(stage)?;
    // Up to where the ring ends soon.
    for (from, to) in [(GUEST, Role::Host), (Role::Host, GUEST)] {
        stage.say(from, to, &[1000, 1000])?;
        stage.rounds(1)?;
        stage.say(from, to, &[1000])?;
        stage.rounds(1)?;
    }
    stage.doom()?;
    talk(stage)?;
    for (from, to) in [(GUEST, Role::Host), (Role::Host, GUEST)] {
        stage.order(from, &Order::SayLarge { to, length: 2100 })?;
        stage.rounds(1)?;
        stage.say(from, to, &[25])?;
        stage.rounds(2)?;
    }
    stage.say(GUEST, Role::Host, &[700, 24])?;
    stage.say(Role::Host, GUEST, &[700, 24])?;
    stage.rounds(2)
}

/// Some of it short, some received at once, some not.
fn talk(stage: &mut Stage<'_>) -> Result<(), Stop> {
    stage.say(GUEST, Role::Host, &[24, 25, 60])?;
    stage.say(Role::Host, GUEST, &[40, 24])?;
    stage.rounds(1)?;
    stage.say(Role::Host, NEIGHBOUR, &[24])?;
    stage.say(NEIGHBOUR, Role::Host, &[24])?;
    stage.say(GUEST, Role::Host, &[24])?;
    stage.say(Role::Host, GUEST, &[24])?;
    stage.rounds(1)
}

fn guest_follows(stage: &mut Stage<'_>) -> Result<(), Stop> {
    begin(stage)?;
    unread(stage)?;
    stage.vanish(GUEST)?;
    stage.doom()?;
    stage.begin(GUEST)?;
    stage.until_attached()?;
    talk(stage)
}

fn host_follows(stage: &mut Stage<'_>) -> Result<(), Stop> {
    begin(stage)?;
    unread(stage)?;
    stage.vanish(Role::Host)?;
    stage.doom()?;
    stage.begin(Role::Host)?;
    stage.until_attached()?;
    talk(stage)
}

fn follows_a_death(stage: &mut Stage<'_>, first: u64) -> Result<(), Stop> {
    begin(stage)?;
    unread(stage)?;
    stage.doom_at(first)?;
    match talk(stage) {
        Err(Stop::Died { .. }) => {}
        Err(failed) => return Err(failed),
        Ok(()) => stage.vanish(stage.subject())?,
    }
    stage.doom()?;
    stage.begin(stage.subject())?;
    stage.until_attached()?;
    stage.rounds(2)
}

fn guest_leaves(stage: &mut Stage<'_>) -> Result<(), Stop> {
    begin(stage)?;
    unread(stage)?;
    stage.doom()?;
    stage.order(GUEST, &Order::Leave)?;
    stage.rounds(5)
}

/// As above, with nothing on its way to the guest: what a host would tell of that may die with it.
fn guest_leaves_all_received(stage: &mut Stage<'_>) -> Result<(), Stop> {
    begin(stage)?;
    stage.say(GUEST, Role::Host, &[24, 100, 31])?;
    stage.doom()?;
    stage.order(GUEST, &Order::Leave)?;
    stage.rounds(5)
}

fn guest_boots(stage: &mut Stage<'_>) -> Result<(), Stop> {
    begin(stage)?;
    stage.say(GUEST, Role::Host, &[24, 100, 31])?;
    stage.vanish(GUEST)?;
    stage.boot();
    stage.doom()?;
    stage.begin(GUEST)?;
    stage.until_attached()
}

fn evicts(stage: &mut Stage<'_>) -> Result<(), Stop> {
    begin(stage)?;
    stage.say(GUEST, Role::Host, &[24, 100, 31])?;
    stage.doom()?;
    stage.order(Role::Host, &Order::Evict { guest: 0 })?;
    stage.rounds(5)?;
    stage.until_attached()
}

fn host_leaves(stage: &mut Stage<'_>) -> Result<(), Stop> {
    begin(stage)?;
    unread(stage)?;
    stage.doom()?;
    stage.rounds(1)?;
    stage.order(Role::Host, &Order::Leave)?;
    stage.vanish(Role::Host)
}
