//! `ivringd` and `ivring` as processes, with guests that are threads of the test.

mod commands;
mod fake_guest;
mod inspects;
mod lifecycle;
mod listening;
mod place;
mod refusals;
mod regions;
mod requests;
mod running;
