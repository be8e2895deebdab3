//! The texts of the mails, word for word.

use ordershop_domain::{
    AMOUNT_MAX, Customer, Mail, good_bye, payment_received, payment_returned, please_pay, shipped,
    welcome,
};

fn ada() -> Customer {
    Customer {
        entity_id: "k-1".into(),
        name: "Ada".into(),
        email: "ada@example.org".into(),
    }
}

#[test]
fn each_mail_says_what_happened_to_whom() {
    let rows = [
        (welcome(&ada()), "Dear Ada, welcome to OrderShop!"),
        (
            good_bye(&ada()),
            "Dear Ada, your account is closed. Good-bye!",
        ),
        (
            please_pay(&ada(), "o-1", 2_499),
            "Dear Ada, thank you for your order o-1. Please pay € 24.99.",
        ),
        (
            payment_received(&ada(), "o-1", 2_499),
            "Dear Ada, we have received your payment of € 24.99 for order o-1.",
        ),
        (
            payment_returned(&ada(), "o-1", 2_499),
            "Dear Ada, order o-1 can't be paid any more. We return your payment of € 24.99.",
        ),
        (
            shipped(&ada(), "o-1"),
            "Dear Ada, your order o-1 is on its way.",
        ),
    ];
    for (mail, message) in rows {
        let expected = Mail {
            recipient: "ada@example.org".into(),
            message: message.into(),
        };
        assert_eq!(mail, expected);
    }
}

#[test]
fn cents_are_shown_as_euros_with_two_digits() {
    let rows = [
        (0, "€ 0.00"),
        (1, "€ 0.01"),
        (10, "€ 0.10"),
        (99, "€ 0.99"),
        (100, "€ 1.00"),
        (1_205, "€ 12.05"),
        (123_456_789, "€ 1234567.89"),
        (AMOUNT_MAX, "€ 90071992547409.91"),
    ];
    for (cents, euros) in rows {
        let asked = please_pay(&ada(), "o-1", cents).message;
        assert!(asked.ends_with(&format!("Please pay {euros}.")), "{asked}");
        let received = payment_received(&ada(), "o-1", cents).message;
        assert!(
            received.contains(&format!("payment of {euros} for")),
            "{received}"
        );
        let returned = payment_returned(&ada(), "o-1", cents).message;
        assert!(
            returned.ends_with(&format!("your payment of {euros}.")),
            "{returned}"
        );
    }
}

#[test]
fn a_mail_in_json_has_two_texts_and_nothing_else() {
    let shape = serde_json::to_value(welcome(&ada())).expect("a mail is JSON");
    assert_eq!(
        shape,
        serde_json::json!({"recipient":"ada@example.org","message":"Dear Ada, welcome to OrderShop!"})
    );
    for wrong in [
        r#"{"recipient":"a@b"}"#,
        r#"{"recipient":"a@b","message":"x","subject":"y"}"#,
    ] {
        assert!(serde_json::from_str::<Mail>(wrong).is_err(), "{wrong}");
    }
}
