//! What the journals of a play prove.

use std::collections::HashSet;

use super::order::{GUESTS, Role};
use crate::witness::{Line, check, check_outcomes};

/// What was received again, all of it marked, if nothing is wrong.
///
/// `ends`: the first guest's session may have ended, so that what was sent to it may be told to be undelivered instead of
/// being received.
pub(super) fn judge(journals: &[Vec<Line>; 1 + GUESTS], subject: Role, ends: bool) -> Result<usize, String> {
    let mut repeats = 0;
    for guest in [Role::Guest(0), Role::Guest(1)] {
        let is_neighbour = guest == Role::Guest(1);
        for (from, to) in [(guest, Role::Host), (Role::Host, guest)] {
            let wrong = |disproof| format!("{} to {}: {disproof}", from.name(), to.name());
            let (sender, receiver) = (&journals[from.index()], &journals[to.index()]);
            check_outcomes(sender, to.name(), receiver, from.name()).map_err(wrong)?;
            if !ends || is_neighbour {
                check(sender, to.name(), receiver, from.name()).map_err(wrong)?;
            }
            let again = received_again(receiver, from.name());
            if is_neighbour && subject != Role::Host && again > 0 {
                return Err(format!(
                    "{} to {}: {again} messages again, and neither has died",
                    from.name(),
                    to.name()
                ));
            }
            repeats += again;
        }
    }
    let wrong = journals.iter().flatten().find(|line| {
        matches!(line, Line::Damaged { .. })
            || matches!(line, Line::Event { what, .. } if ["fault", "second writer", "refused"].contains(&what.as_str()))
    });
    wrong.map_or(Ok(repeats), |line| Err(format!("{line:?}")))
}

fn received_again(receiver: &[Line], from: &str) -> usize {
    let mut before = HashSet::new();
    let is_again = |line: &&Line| match line {
        Line::Received { peer, what, life, number, .. } if peer == from => {
            !before.insert((*what, *life, *number))
        }
        _ => false,
    };
    receiver.iter().filter(is_again).count()
}
