//! Guests and clients that mean harm: each costs the daemon bounded memory and a bounded log, is counted and shown, and its
//! neighbours lose nothing.

mod attacker;
mod clients;
mod faults;
mod floods;
mod large;
mod lies;
mod neighbour;
mod process;
mod rejoins;
