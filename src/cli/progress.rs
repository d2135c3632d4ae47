//! Progress of long work, drawn where a person watches and nowhere else.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How often the picture moves although nothing is counted.
const TICK: Duration = Duration::from_millis(200);

/// A bar towards a known total, or a count if none is known. It draws on the standard error stream, if that
/// is a terminal.
pub fn bar(what: &'static str, total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (
            ProgressBar::new(total),
            "{msg} {wide_bar} {human_pos}/{human_len} {eta}",
        ),
        None => (
            ProgressBar::no_length(),
            "{msg} {spinner} {human_pos} {per_sec} {elapsed}",
        ),
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar.enable_steady_tick(TICK);
    bar
}
