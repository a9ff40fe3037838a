//! Letters about purchases: one for each cause, on its day, and none for what has changed meanwhile.

use latchkey_testkit::{Card, Offer, Reader, World, days, each_city, hours};

/// How many letters with these words in the subject the reader has got so far.
async fn letters(city: &World, reader: &Reader<'_>, words: &str) -> usize {
    let subjects = city.posts_letters_to(&reader.email()).await;
    subjects.iter().filter(|subject| subject.contains(words)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_payment_has_one_receipt_however_often_it_is_heard_of() {
    each_city(async |city| {
        let ada = city.reader("ada").subscribes(Offer::Monthly).await;
        assert_eq!(letters(city, &ada, "Receipt: €5.00").await, 1);
        for event in city.stripe().events() {
            city.stripe().sends(&event).await;
        }
        city.settle().await;
        assert_eq!(letters(city, &ada, "Receipt").await, 1);

        city.advance(days(31)).await;
        assert_eq!(letters(city, &ada, "Receipt").await, 2);
        // Nobody has confirmed the address: whoever reads it finds no way to her invoice, and no card.
        let told = city.told_to(&ada.email());
        assert!(
            told.contains("€5.00") && !told.contains("/i/in_") && !told.contains("4242"),
            "{told}"
        );

        ada.at_another_browser().signs_in().await;
        city.advance(days(31)).await;
        assert_eq!(letters(city, &ada, "Receipt").await, 3);
        let told = city.told_to(&ada.email());
        assert!(told.contains("/i/in_") && told.contains("4242"), "{told}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yearly_renewal_is_told_two_weeks_ahead_and_only_to_who_will_be_charged() {
    each_city(async |city| {
        let ada = city.reader("ada").subscribes(Offer::Yearly).await;
        let bob = city.reader("bob").subscribes(Offer::Yearly).await;
        let cleo = city.reader("cleo").subscribes(Offer::Monthly).await;
        city.advance(days(350)).await;
        assert_eq!(letters(city, &ada, "is renewed on").await, 0);
        bob.cancels().await;
        city.advance(days(2)).await;
        assert_eq!(letters(city, &ada, "is renewed on").await, 1);
        assert_eq!(
            letters(city, &bob, "is renewed on").await,
            0,
            "who has cancelled is not charged"
        );
        assert_eq!(letters(city, &cleo, "is renewed on").await, 0, "a month is no surprise");

        city.advance(days(20)).await;
        assert_eq!(letters(city, &ada, "is renewed on").await, 1);
        assert_eq!(letters(city, &ada, "Receipt").await, 2);
        assert_eq!(letters(city, &bob, "has ended").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_failed_try_has_a_letter_that_leads_to_paying() {
    each_city(async |city| {
        let ada = city.reader("ada").subscribes(Offer::Monthly).await;
        city.stripe().declines_charges(&ada, 2);
        city.advance(days(30) + hours(3)).await;
        assert_eq!(letters(city, &ada, "did not go through").await, 1);
        city.settle().await;
        assert_eq!(
            letters(city, &ada, "did not go through").await,
            1,
            "the same try is told once"
        );

        city.advance(days(12)).await;
        let failed = letters(city, &ada, "did not go through").await;
        assert_eq!(failed, 2, "the second try failed, the third went through");
        assert_eq!(letters(city, &ada, "Receipt").await, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_is_told_on_its_day_and_not_to_who_stayed() {
    each_city(async |city| {
        let ada = city.reader("ada").subscribes(Offer::Monthly).await;
        let bob = city.reader("bob").subscribes(Offer::Monthly).await;
        ada.cancels().await;
        bob.cancels().await;
        city.advance(days(10)).await;
        bob.resumes().await;
        assert_eq!(letters(city, &ada, "has ended").await, 0);

        city.advance(days(21)).await;
        assert_eq!(letters(city, &ada, "has ended").await, 1);
        assert_eq!(letters(city, &bob, "has ended").await, 0);

        // Who buys again is not told of the old end again.
        let ada = ada.subscribes_with(Offer::Patron, Card::Good).await;
        city.advance(days(1)).await;
        assert_eq!(letters(city, &ada, "has ended").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_away_for_weeks_writes_about_nothing_old() {
    each_city(async |city| {
        let ada = city.reader("ada").subscribes(Offer::Monthly).await;
        city.posts_letters_to(&ada.email()).await;
        city.stripe().drops_webhooks();
        city.advance(days(20)).await;
        city.stripe().ends_now(&ada).await;
        city.advance(days(10)).await;
        city.reconcile().await;
        assert_eq!(letters(city, &ada, "has ended").await, 0);
        assert_eq!(letters(city, &ada, "Receipt").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_post_a_letter_once() {
    each_city(async |city| {
        let ada = city.reader("ada").subscribes(Offer::Monthly).await;
        let other = city.sync_of_another_server();
        let (one, two) = tokio::join!(city.sync().post_notices(), other.post_notices());
        assert_eq!(one.expect("the store answers") + two.expect("the store answers"), 1);
        assert_eq!(letters(city, &ada, "Receipt").await, 1);
    })
    .await;
}
