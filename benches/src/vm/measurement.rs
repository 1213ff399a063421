//! One measurement: the program in the guest is started, the host takes its part, and what else the machine does is watched.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::Duration,
};

use super::{
    machine::Machine,
    orders::{Orders, Task},
    transport::Transport,
    way::{End, Way},
};
use crate::{
    failure::Failure,
    held_up::held_up_ns,
    measurement::Sample,
    near::{pin, probe},
    other_work::OtherWork,
    placement::Placement,
    worker::Figure,
};

/// After this long the program in the guest is killed: more than either side waits for the other.
const LIMIT: Duration = Duration::from_secs(30);

/// Carries out `orders` as part of `round`. `processors` are the host's thread's and the guest's.
pub(crate) fn measure(
    machine: &mut Machine,
    orders: &Orders,
    round: usize,
    processors: [usize; 2],
) -> Result<Sample<Transport, Way>, Failure> {
    let (before, _) = probe();
    let watch = OtherWork::watch(processors, &machine.companions())?;
    let held_up = machine.held_up_ns();
    let (figure, host_held_up_ns) = carry(machine, orders)?;
    let others = watch.stop()?;
    let held_up_ns = host_held_up_ns + machine.held_up_ns().saturating_sub(held_up);
    let (after, _) = probe();
    let probes_ns = vec![before, after];
    let transport = orders.transport;
    Ok(Sample {
        peer: transport,
        test: orders.way,
        round,
        // The others take hundreds of times as long as a line's way.
        placement: if transport.shares_lines() { Placement::of(&probes_ns) } else { None },
        probes_ns,
        others_ms: others.ms(),
        held_up_ns,
        disturbed: others.is_too_much(),
        figure,
    })
}

/// Both parts side by side; the figure, and how long the host's thread was held up.
fn carry(machine: &mut Machine, orders: &Orders) -> Result<(Figure, u64), Failure> {
    let text = serde_json::to_string(&Task::Measure(*orders))
        .map_err(|error| Failure::Io("orders of the guest", error.into()))?;
    let Machine { side, guest, .. } = machine;
    let gone = AtomicBool::new(false);
    let (here, there) = thread::scope(|scope| {
        let here = scope.spawn(|| {
            // The guest has the other one.
            pin(false);
            let held_up = held_up_ns();
            let figure = side.take_part(orders, &gone)?;
            Ok((figure, held_up_ns().saturating_sub(held_up)))
        });
        let there = guest.run(&format!("ivring-compare-guest '{text}'"), LIMIT);
        gone.store(true, Relaxed);
        (here.join().unwrap_or(Err(Failure::Silent(0))), there)
    });
    let there = there?;
    // What went wrong in the guest is why it did here, mostly: a message that arrived wrong here is the exception.
    if let Err(wrong @ Failure::Wrong { .. }) = here {
        return Err(wrong);
    }
    if there.status != 0 {
        let output = there.output.trim().to_owned();
        return Err(Failure::Guest { job: orders.name(), status: there.status, output });
    }
    let (figure, held_up_ns) = here?;
    let figure = match orders.way.clock {
        End::Host => figure,
        End::Guest => serde_json::from_str(&there.output).ok().flatten(),
    };
    let figure =
        figure.ok_or_else(|| Failure::Guest { job: orders.name(), status: 0, output: there.output })?;
    Ok((figure, held_up_ns))
}
