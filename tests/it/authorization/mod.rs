//! Who may do what, seen from outside: every root field is called as every role, at a facility within the caller's
//! reach and at one beyond it; what comes back is committed as `docs/authorization.md`, and what was denied changed
//! nothing. Beside it, that nobody sees, counts, sorts by, filters by or is told of a row out of scope.

mod asks;
mod leaks;
mod matrix;
mod scene;
