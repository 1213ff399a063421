//! `ivringd` and `ivring` as processes, with guests that are threads of the test.

mod commands;
mod configuration;
mod fake_guest;
mod inspects;
mod lifecycle;
mod listening;
mod notices;
mod place;
mod refusals;
mod regions;
mod requests;
mod running;
mod watch;
