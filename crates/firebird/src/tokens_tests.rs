use super::*;
use model::{Direction, ParameterType};
use proptest::prelude::*;

fn parameters(names: &[&str]) -> Vec<Parameter> {
    let parameter = |name: &&str| Parameter {
        name: (*name).to_owned(),
        direction: Direction::Input,
        kind: ParameterType::NVarChar,
        value: None,
        size: None,
        type_name: None,
    };
    names.iter().map(parameter).collect()
}

fn made(text: &str, names: &[&str]) -> (String, Vec<usize>) {
    let made = positional(text, &parameters(names)).unwrap();
    (made.text, made.order)
}

#[test]
fn names_become_positions_in_the_order_of_the_text_and_as_often_as_they_stand_there() {
    let (text, order) = made("select @b, @A,@b from t where x=@a", &["@a", "b"]);
    assert_eq!((text.as_str(), order), ("select ?, ?,? from t where x=?", vec![1, 0, 1, 0]));
}

#[test]
fn what_is_no_parameter_stays_as_it_is() {
    for text in [
        "select '@a', 'it''s @a' from t",
        "select \"@a\"\"@a\" from t",
        "select 1 -- @a\nfrom t",
        "select /* @a ? */ 1 from t",
        "select q'{it's @a}' from t",
        "select Q'!@a'!', q'<@a>' from t",
        "select 'unended @a",
        "select @ a from t",
        "select q'",
        "execute block returns (n integer) as begin n = @a; end",
    ] {
        assert_eq!(made(text, &["@a"]), (text.to_owned(), vec![]), "{text}");
    }
    assert_eq!(
        made("select q, q'' , @a from t'", &["@a"]).1,
        [] as [usize; 0],
        "a quote opened by q'' has ' as its mark"
    );
    assert_eq!(made("select seq'@a' from t where b = @a", &["@a"]).1, [0]);
}

#[test]
fn parameters_of_a_block_stand_in_its_header() {
    let (text, order) = made(
        "EXECUTE BLOCK (a INTEGER = @x, b VARCHAR(9) = @y) AS DECLARE c INT = 0; BEGIN c = @x; END",
        &["@y", "@x"],
    );
    assert!(
        text.starts_with("EXECUTE BLOCK (a INTEGER = ?, b VARCHAR(9) = ?) AS")
            && text.ends_with("c = @x; END")
    );
    assert_eq!(order, [1, 0]);
}

#[test]
fn a_text_with_questions_takes_the_parameters_in_their_order() {
    assert_eq!(made("select ?, ? from t", &["@b", "@a", "@unused"]).1, [0, 1]);
}

#[test]
fn what_cannot_be_given_a_value_is_refused_by_name() {
    let refused = |text: &str, names: &[&str]| match positional(text, &parameters(names)) {
        Err(Failure::Parameter { name, .. }) => name,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused("select @b from t", &["@a"]), "@b");
    assert_eq!(refused("select @a from t", &["@a", "A"]), "@a");
    assert_eq!(refused("select @a, ? from t", &["@a"]), "?");
    assert_eq!(refused("select ? from t", &[]), "?");
}

proptest! {
    #[test]
    fn the_tokens_of_any_text_are_the_text(
        text in prop_oneof![any::<String>(), "[@?'\"a-c{}()q<>!/*\\- \n;éß$_1]{0,60}"]
    ) {
        let joined: String = tokens(&text).map(|token| token.text()).collect();
        prop_assert_eq!(&joined, &text);
        prop_assert!(tokens(&text).all(|token| !token.text().is_empty()));
    }

    #[test]
    fn a_name_within_quotes_is_never_a_parameter(inner in "[^'\"]{0,20}") {
        for quote in ["'", "\""] {
            let text = format!("select {quote}{inner}@a{inner}{quote} from t");
            prop_assert_eq!(made(&text, &["@a"]), (text.clone(), vec![]));
        }
    }
}
