//! `ivringd` and `ivring` as processes, with guests that are threads of the test.

mod client;
mod commands;
mod configuration;
mod fake_guest;
mod hostile;
mod inspects;
mod lifecycle;
mod listening;
mod notices;
mod own_control;
mod place;
mod reformat;
mod refusals;
mod regions;
mod requests;
mod running;
mod same_program;
mod serving;
mod watch;
