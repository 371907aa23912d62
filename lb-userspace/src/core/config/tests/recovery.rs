//! Files that are not quite TOML: what is broken is reported together with what is wrong in the rest.

use super::{assert_error, edited, errors, messages};

#[test]
fn text_without_quotes_is_told_so() {
    let text = edited("holder = \"c1\"", "holder = c1");
    assert_error(&text, "c1", "`c1` is not a value", "quotes");
}

#[test]
fn a_missing_value_is_told_so_and_its_key_is_not_called_missing() {
    let text = edited("address = \"10.0.0.12\"", "address =");
    let error = assert_error(&text, "", "a value is missing after `=`", "");
    assert_eq!((error.line, error.column), (6, 10));
}

#[test]
fn a_key_without_an_equals_sign_does_not_hide_what_follows() {
    let text = edited("interface = \"eth0\"", "interface \"eth0\"").replacen("port = 443", "port = 0", 1);
    let found = messages(&text);
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[0], (14, "a key without a value".into()));
    assert_eq!(found[1], (36, "`port` of service `horizon` is `0`, out of range".into()));
}

#[test]
fn keys_and_sections_are_given_once() {
    let text = edited("port = 443", "port = 443\nport = 444");
    let error = assert_error(&text, "port", "the key `port` is given twice", "keep one");
    assert_eq!(error.line, 37);
    let text = edited("[tables]", "[tables]\n[tables]");
    assert_error(&text, "tables", "the section `tables` is given twice", "double brackets");
}

#[test]
fn an_unclosed_string_ends_with_its_line() {
    let text = edited("name = \"c2\"", "name = \"c2").replacen("port = 443", "port = 0", 1);
    let lines: Vec<usize> = messages(&text).into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [5, 36]);
}

#[test]
fn a_broken_section_is_not_blamed_for_what_it_lacks_but_others_are() {
    let text = edited("name = \"c2\"", "name").replacen("port = 443\n", "", 1);
    let found = messages(&text);
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[1].1, "`port` is missing from service `horizon`");
}

#[test]
fn the_rest_of_the_errors_is_in_the_report_too() {
    let text = edited("holder = \"c1\"", "holder = c1").replacen("[tables]", "[tables]\ncolour = 1", 1).replacen(
        "vip = \"internal\"\nport = 443",
        "vip = \"public\"\nport = 443",
        1,
    );
    let lines: Vec<usize> = messages(&text).into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [15, 41], "the VIP's section is broken, so `public` may be in it: {}", errors(&text));
}

#[test]
fn errors_print_with_the_text_they_are_about() {
    let text = edited("port = 443", "port = 5000").replacen("holder", "holdr", 1);
    let expected = "\
error: unknown key `holdr` in VIP `internal`
  --> pivot.toml:15:1
   |
15 | holdr = \"c1\"
   | ^^^^^
   = help: did you mean `holder`?

error: service `keystone` and service `horizon` both have tcp port 5000 of VIP `internal`
  --> pivot.toml:36:8
   |
36 | port = 5000
   |        ^^^^
  ::: pivot.toml:23:8
   |
23 | port = 5000
   |        ---- service `keystone` has it here
   = help: give one of them another port or another VIP

pivot.toml: 2 errors";
    assert_eq!(errors(&text).to_string(), expected);
}
