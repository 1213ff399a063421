//! `ivringd` and `ivring` as processes, with guests that are threads of the test.

mod commands;
mod fake_guest;
mod place;
mod running;
