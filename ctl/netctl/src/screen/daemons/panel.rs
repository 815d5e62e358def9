//! One daemon: words about it, curves of its rates.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use selat_proto::v1::{DaemonState, GetStatusResponse};

use super::{Daemons, Tint, shape};
use crate::cmd::top::{Pace, Reading};
use crate::output::{harmless, unit};

/// Columns that a curve needs for its name and its figure.
const PLOT_MIN: u16 = 20;

/// Who proxyd is, and what it holds now.
pub(super) fn proxyd_words(
    reading: &Reading,
    pace: Pace,
    width: u16,
    tint: Tint,
) -> Vec<Line<'static>> {
    let it = match &reading.proxyd {
        Ok(it) => it,
        Err(error) => return vec![unreachable("proxyd", error, tint)],
    };
    let (cache, relay) = (&it.cache, &it.relay);
    let pace = pace.proxyd.unwrap_or_default();
    // Without a relay there is room for none: that is no table which is full.
    let sessions = |now: u64, max: u64| match max {
        0 => "no relay".to_owned(),
        max => format!("{} of {}", unit::count(now), unit::count(max)),
    };
    let udp = relay.udp.as_ref().map(|udp| sessions(udp.sessions, udp.sessions_max));
    let tcp = relay.tcp.as_ref().map(|tcp| sessions(tcp.sessions, tcp.sessions_max));
    let memory =
        format!("{} of {}", unit::bytes(cache.memory_bytes), unit::bytes(cache.memory_max_bytes));
    let p99 = cache.hit_latency.as_ref().and_then(|latency| latency.p99.as_ref());
    vec![
        who("proxyd", &it.status, width, tint),
        facts(
            (width, tint),
            [
                (
                    "cache",
                    format!("{}, {memory}", unit::plural(cache.entries, "variant", "variants")),
                ),
                ("hit p99", unit::message_span(p99)),
                ("misses", format!("{:.0}/s", pace.misses)),
                ("passes", format!("{:.0}/s", pace.passes)),
            ],
        ),
        facts(
            (width, tint),
            [
                ("UDP sessions", udp.unwrap_or_else(|| unit::NONE.to_owned())),
                ("TCP sessions", tcp.unwrap_or_else(|| unit::NONE.to_owned())),
                ("dropped", format!("{:.0}/s", pace.dropped)),
            ],
        ),
    ]
}

/// Who websrvd is, and what it does now.
pub(super) fn websrvd_words(
    reading: &Reading,
    pace: Pace,
    width: u16,
    tint: Tint,
) -> Vec<Line<'static>> {
    let it = match &reading.websrvd {
        Ok(it) => it,
        Err(error) => return vec![unreachable("websrvd", error, tint)],
    };
    let pace = pace.websrvd.unwrap_or_default();
    vec![
        who("websrvd", &it.status, width, tint),
        facts(
            (width, tint),
            [
                ("serves", harmless(&it.web.root).into_owned()),
                ("failed", format!("{:.0}/s", pace.failed)),
                ("STAMP sessions", unit::count(it.echo.sessions)),
                ("dropped", format!("{:.0}/s", pace.dropped)),
            ],
        ),
    ]
}

pub(super) fn proxyd_curves(
    frame: &mut Frame<'_>,
    area: Rect,
    daemons: &Daemons,
    pace: Pace,
    tint: Tint,
) {
    let now = pace.proxyd;
    let ratio = now.and_then(|it| it.hit_ratio).map(|ratio| unit::percent(ratio * 100.0));
    let plots = [
        Plot {
            name: "requests",
            figures: vec![per_s(now.map(|it| it.requests))],
            pick: |it| Some(it.proxyd?.requests),
            highest: None,
            style: tint.accent(),
        },
        Plot {
            name: "hits",
            figures: vec![ratio.unwrap_or_else(|| unit::NONE.to_owned())],
            pick: |it| it.proxyd?.hit_ratio,
            highest: Some(1.0),
            style: tint.good(),
        },
        Plot {
            name: "to clients",
            figures: vec![bytes_per_s(now.map(|it| it.cache_bytes + it.origin_bytes))],
            pick: |it| it.proxyd.map(|it| it.cache_bytes + it.origin_bytes),
            highest: None,
            style: tint.accent(),
        },
        Plot {
            name: "relayed",
            figures: vec![
                per_s(now.map(|it| it.datagrams)),
                bytes_per_s(now.map(|it| it.relayed_bytes)),
            ],
            pick: |it| Some(it.proxyd?.relayed_bytes),
            highest: None,
            style: tint.accent(),
        },
    ];
    beside_each_other(frame, area, daemons, &plots, tint);
}

pub(super) fn websrvd_curves(
    frame: &mut Frame<'_>,
    area: Rect,
    daemons: &Daemons,
    pace: Pace,
    tint: Tint,
) {
    let now = pace.websrvd;
    let plot = |name, figure, pick| Plot {
        name,
        figures: vec![figure],
        pick,
        highest: None,
        style: tint.accent(),
    };
    let plots = [
        plot("requests", per_s(now.map(|it| it.requests)), |it| Some(it.websrvd?.requests)),
        plot("bodies", bytes_per_s(now.map(|it| it.body_bytes)), |it| Some(it.websrvd?.body_bytes)),
        plot("UDP answers", per_s(now.map(|it| it.answered)), |it| Some(it.websrvd?.answered)),
    ];
    beside_each_other(frame, area, daemons, &plots, tint);
}

/// As many of the plots as there is room for: fewer of them rather than names without figures.
fn beside_each_other(
    frame: &mut Frame<'_>,
    area: Rect,
    daemons: &Daemons,
    plots: &[Plot],
    tint: Tint,
) {
    let shown = usize::from(area.width / PLOT_MIN).clamp(1, plots.len());
    let areas = Layout::horizontal(vec![Constraint::Fill(1); shown]).split(area);
    for (area, plot) in areas.iter().zip(plots) {
        let title = shape::fitting(plot.name, &plot.figures, area.width, tint);
        let inner = shape::framed(frame, *area, title, tint);
        let values = daemons.curve(inner.width, plot.pick);
        let highest = plot.highest.unwrap_or_else(|| shape::largest(&values));
        shape::sparkline(frame, inner, &values, highest, plot.style);
    }
}

/// A framed curve.
struct Plot {
    name: &'static str,
    /// As many of them as there is room for.
    figures: Vec<String>,
    pick: fn(&Pace) -> Option<f64>,
    /// Where its scale ends; at the largest value where nothing is said.
    highest: Option<f64>,
    style: Style,
}

/// Who it is; what a narrow screen has no room for is left out, the least telling first.
fn who(name: &str, status: &GetStatusResponse, width: u16, tint: Tint) -> Line<'static> {
    let (state, style) = match status.state() {
        DaemonState::Serving => ("serving", tint.good()),
        DaemonState::Starting => ("starting", tint.warning()),
        DaemonState::Degraded => {
            ("degraded: the configuration on disk was refused", tint.warning())
        }
        DaemonState::Draining => ("draining", tint.warning()),
        DaemonState::Drained => ("drained", tint.warning()),
        DaemonState::Unspecified => ("in a state that this netctl does not know", tint.bad()),
    };
    let connections = format!(
        "{} of {} connections",
        unit::count(status.connections_active),
        unit::count(status.connections_max)
    );
    let version = harmless(&status.version).into_owned();
    let up = format!("up {}", unit::message_span(status.uptime.as_ref()));
    let generation = format!("generation {}", status.config_generation);
    let mut parts = vec![version, up, generation, connections];
    let room = usize::from(width).saturating_sub(9 + state.chars().count());
    for spared in [2, 0, 0, 0] {
        let needed: usize = parts.iter().map(|part| part.chars().count() + 2).sum();
        if needed > room {
            parts.remove(spared);
        }
    }
    let rest: String = parts.iter().map(|part| format!("  {part}")).collect();
    Line::from(vec![
        Span::styled(format!(" {name:<8}"), tint.strong()),
        Span::styled(state, style),
        Span::raw(rest),
    ])
}

fn unreachable(name: &str, error: &str, tint: Tint) -> Line<'static> {
    Line::from(vec![
        Span::styled(format!(" {name:<8}"), tint.strong()),
        Span::styled(harmless(error).replace('\n', " "), tint.bad()),
    ])
}

/// As many of the facts as there is room for, whole.
fn facts<const N: usize>(
    (width, tint): (u16, Tint),
    facts: [(&'static str, String); N],
) -> Line<'static> {
    let mut room = usize::from(width).saturating_sub(9);
    let mut spans = vec![Span::raw(" ".repeat(9))];
    for (name, value) in facts {
        let needed = name.len() + 1 + value.chars().count();
        if needed > room {
            break;
        }
        room = room.saturating_sub(needed + 3);
        spans.push(Span::styled(format!("{name} "), tint.faint()));
        spans.push(Span::raw(format!("{value}   ")));
    }
    Line::from(spans)
}

fn per_s(rate: Option<f64>) -> String {
    rate.map_or(unit::NONE.to_owned(), |rate| format!("{}/s", unit::count(rate.round() as u64)))
}

fn bytes_per_s(rate: Option<f64>) -> String {
    rate.map_or(unit::NONE.to_owned(), |rate| format!("{}/s", unit::bytes(rate as u64)))
}
