//! What a server says about an error, fit to be shown.

use serde_json::Value;

use crate::loss::one_line;
use crate::secret::Secret;

/// Secrets shorter than this are not looked for: they would blacken words.
const LEAST: usize = 8;

/// The code of an error in a server's JSON, where there is one: `error_code` or `error` of OAuth, `code`
/// within `error` of REST.
pub(super) fn code(body: &str) -> Option<String> {
    let body: Value = serde_json::from_str(body).ok()?;
    let code = [&body["error"]["code"], &body["error_code"], &body["error"]];
    code.into_iter().find_map(|code| code.as_str().map(one_line))
}

/// Code and text of an error in a server's JSON, as `: code: text`; empty where there are none. What is
/// secret is blackened, though no server should repeat it.
pub(super) fn said<'a>(body: &str, secrets: impl Iterator<Item = &'a Secret>) -> String {
    let parsed: Value = serde_json::from_str(body).unwrap_or_default();
    let text = [&parsed["error"]["message"], &parsed["error_description"], &parsed["message"]];
    let text = text.into_iter().find_map(Value::as_str).map(one_line);
    let parts: Vec<_> = code(body).into_iter().chain(text).collect();
    let mut said = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(": ")) };
    for secret in secrets {
        let bare = secret.expose().trim_start_matches("Bearer ");
        if bare.len() >= LEAST {
            said = said.replace(bare, "***");
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_in_one_line_and_without_what_is_secret() {
        let secrets = [Secret::new("Bearer canary-token")];
        let said = |body| said(body, secrets.iter());
        for (body, told) in [
            (r#"{"error":{"code":"not_found","message":"No\nway"}}"#, ": not_found: No way"),
            (
                r#"{"error_code":"invalid_grant","error_description":"Grant revoked"}"#,
                ": invalid_grant: Grant revoked",
            ),
            (r#"{"error":"invalid_client"}"#, ": invalid_client"),
            (r#"{"error":{"code":"x","message":"bad canary-token"}}"#, ": x: bad ***"),
            (r#"{"data":{}}"#, ""),
            ("<html>", ""),
            ("", ""),
        ] {
            assert_eq!(said(body), told, "{body}");
        }
    }
}
