//! The template engine, set up for HTML and SVG.

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior, Value};

use crate::error::EvalError;
use crate::label::{printable, shortened, shortened_at_start};

/// Fills a template; every value in it is escaped for XML and HTML unless marked as safe.
pub(crate) fn render(
    what: &'static str,
    template: &str,
    context: Value,
) -> Result<String, EvalError> {
    environment()
        .and_then(|environment| environment.render_str(template, context))
        .map_err(|source| EvalError::Draw { what, source: source.into() })
}

fn environment() -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_filter("decimals", |number: f64, digits: usize| format!("{number:.digits$}"));
    environment.add_filter("percent", |share: f64| format!("{:.1} %", share * 100.0));
    environment.add_filter("text", |text: &str| printable(text));
    environment.add_filter("short", |text: &str, columns: usize| shortened(text, columns));
    environment
        .add_filter("short_path", |text: &str, columns: usize| shortened_at_start(text, columns));
    Ok(environment)
}
