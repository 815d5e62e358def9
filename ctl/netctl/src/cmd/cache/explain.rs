//! What the cache would do with a request, and by which rule.

use http::{HeaderName, HeaderValue};
use selat_proto::json::to_json;
use selat_proto::socket::Daemon;
use selat_proto::v1::{CacheDecision, ExplainRequest, ExplainResponse, Field, Variant};
use serde_json::Value;

use super::{absolute, variants};
use crate::cli::Global;
use crate::cmd::fetch;
use crate::exit::Exit;
use crate::output::{Cell, Grid, Output, Page, Records, Report, Tone, unit};

const EXAMPLES: &str = "\
Examples:
  netctl cache explain http://127.0.0.1:8080/
  netctl cache explain -H 'Cache-Control: max-age=10' http://127.0.0.1:8080/
  netctl cache explain -X POST http://127.0.0.1:8080/form
  netctl -o json cache explain http://127.0.0.1:8080/ | jq .decision

The rules that requests go through are asked; nothing is fetched, stored or counted.";

/// What to ask about.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// As a client asks for it: http://HOST[:PORT]/PATH
    #[arg(value_parser = absolute)]
    url: String,
    /// The request has this header field; may be given several times
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = fetch::field)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Its method
    #[arg(short = 'X', long, value_name = "METHOD", default_value = "GET")]
    method: String,
}

pub(super) async fn run(
    args: &Args,
    global: &Global,
    output: &mut Output<'_, '_>,
) -> anyhow::Result<Exit> {
    let control = global.connect(Daemon::Proxyd).await?;
    let headers = args.headers.iter().map(|(name, value)| Field {
        name: name.to_string(),
        value: String::from_utf8_lossy(value.as_bytes()).into_owned(),
    });
    let request = ExplainRequest {
        url: args.url.clone(),
        method: args.method.clone(),
        headers: headers.collect(),
    };
    let explained = control.answer(control.cache().explain(request)).await?;
    output.show(&Explanation(explained))?;
    Ok(Exit::Success)
}

struct Explanation(ExplainResponse);

impl Report for Explanation {
    fn page(&self, page: &mut Page) {
        let explained = &self.0;
        page.line(&explained.url);
        page.gap();
        page.grid(&self.decision());
        if let Some(variant) = &explained.variant {
            page.gap();
            page.grid(&self.selected(variant));
        }
    }

    fn json(&self) -> anyhow::Result<Value> {
        Ok(to_json(&self.0)?)
    }

    fn records(&self) -> anyhow::Result<Records> {
        Records::of(std::slice::from_ref(&self.0))
    }
}

impl Explanation {
    fn decision(&self) -> Grid {
        let explained = &self.0;
        let mut facts = Grid::facts();
        facts.fact("decision", decision(explained.decision()));
        let reason = match explained.reason.as_str() {
            "" => explained.rule.clone(),
            reason => format!("{reason}: {}", explained.rule),
        };
        facts.fact("why", reason);
        facts.fact("rule", &explained.clause);
        facts.fact("next", &explained.next);
        if !explained.if_error.is_empty() {
            facts.fact("if that fails", self.if_error());
        }
        if explained.fetching {
            facts.fact("now", "another request is fetching it; one that has to fetch waits for it");
        }
        if !explained.last_refusal.is_empty() {
            facts.fact("last response", self.last_refusal());
        }
        facts.fact("route", &explained.route);
        // The selected response tells its own.
        if explained.variant.is_none() && !explained.key_parts.is_empty() {
            facts.fact("key parts", explained.key_parts.join(", "));
        }
        facts.fact("stored", unit::plural(explained.variants.into(), "variant", "variants"));
        facts
    }

    fn if_error(&self) -> String {
        let explained = &self.0;
        match &explained.if_error_ttl {
            Some(ttl) => {
                format!("{} For {} more.", explained.if_error, unit::message_span(Some(ttl)))
            }
            None => explained.if_error.clone(),
        }
    }

    fn last_refusal(&self) -> String {
        let explained = &self.0;
        format!(
            "not stored, {}: {} ({}); remembered for {} more",
            explained.last_refusal,
            explained.last_refusal_rule,
            explained.last_refusal_clause,
            unit::message_span(explained.last_refusal_ttl.as_ref()),
        )
    }

    fn selected(&self, variant: &Variant) -> Grid {
        let explained = &self.0;
        let mut facts = variants::facts("selected", variant);
        facts.fact(
            "lifetime",
            format!("{} ({})", explained.lifetime_rule, explained.lifetime_clause),
        );
        facts
    }
}

fn decision(decision: CacheDecision) -> Cell {
    let (text, tone) = match decision {
        CacheDecision::Serve => ("serve what is stored: a hit", Tone::Good),
        CacheDecision::ServeStale => ("serve what is stored, although it is stale", Tone::Warning),
        CacheDecision::Revalidate => {
            ("ask the origin whether what is stored is current", Tone::Warning)
        }
        CacheDecision::Complete => ("ask the origin for the part that is missing", Tone::Warning),
        CacheDecision::Fetch => ("ask the origin: a miss", Tone::Warning),
        CacheDecision::Pass => ("ask the origin, whatever is stored", Tone::Warning),
        CacheDecision::OwnAnswer => ("answer by itself", Tone::Warning),
        CacheDecision::GatewayTimeout => ("answer 504", Tone::Bad),
        CacheDecision::Unspecified => ("something that this netctl does not know", Tone::Bad),
    };
    Cell::toned(text, tone)
}
