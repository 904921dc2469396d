"""Texts of the questions that subscriptions answer."""

SUBSCRIPTIONS = {
    "subscribers.title": ("Who stays, and who may leave next?", "Кто остаётся, а кто может уйти?"),
    "subscribers": ("Subscribers", "Подписчики"),
    "subscribers.meaning": ("customers with a subscription on {day:day}", "клиенты с подпиской на {day:day}"),
    "subscriber_churn": ("Churn of subscribers a month", "Отток подписчиков за месяц"),
    "subscriber_churn.meaning": (
        "of those there at the start of a month, who left in it; {months:count} months together: {numerator:count} of "
        "{denominator:count}",
        "из бывших в начале месяца ушли за месяц; месяцев вместе: {months:count}; {numerator:count} из "
        "{denominator:count}",
    ),
    "subscribers.grew": (
        "In the last {months:count} complete months {won:count} came and {lost:count} left: the base grows.",
        "За последние полные месяцы ({months:count}) пришли {won:count}, ушли {lost:count}: база растёт.",
    ),
    "subscribers.shrank": (
        "In the last {months:count} complete months {won:count} came and {lost:count} left: the base shrinks.",
        "За последние полные месяцы ({months:count}) пришли {won:count}, ушли {lost:count}: база сокращается.",
    ),
    "subscribers.held": (
        "In the last {months:count} complete months {won:count} came and {lost:count} left: the base stays as it is.",
        "За последние полные месяцы ({months:count}) пришли {won:count}, ушли {lost:count}: база не меняется.",
    ),
    "renewals_due": ("Subscriptions about to end", "Подписки на исходе"),
    "renewals_due.meaning": (
        "end within {days:days} and are not renewed yet: call them now",
        "кончаются в ближайшие {days:days} и ещё не продлены: позвоните сейчас",
    ),
    "recurring.title": ("What do subscriptions bring, and what is lost?", "Что приносят подписки и что теряется?"),
    "mrr": ("Recurring revenue a month", "Регулярная выручка в месяц"),
    "mrr.meaning": ("what running subscriptions bring a month", "сколько приносят действующие подписки в месяц"),
    "grr": ("Gross revenue retention", "Валовое удержание выручки (GRR)"),
    "grr.meaning": (
        "revenue kept without upgrades, compounded over {months:count} months",
        "удержанная выручка без повышений; месяцев перемножено: {months:count}",
    ),
    "nrr": ("Net revenue retention", "Чистое удержание выручки (NRR)"),
    "nrr.meaning": (
        "revenue kept with upgrades, compounded over {months:count} months; above 100 % the customers you have grow",
        "удержанная выручка с повышениями; месяцев перемножено: {months:count}; больше 100 % — старые клиенты растут",
    ),
    "recurring.last": (
        "In {month:text} recurring revenue gained {gained:money} and lost {gone:money}.",
        "В месяце {month:text} регулярная выручка прибавила {gained:money} и потеряла {gone:money}.",
    ),
    "picture.waterfall": (
        "Recurring revenue in the last complete month, from its start to its end.",
        "Регулярная выручка за последний полный месяц, от начала до конца. Числа в таблице ниже.",
    ),
    "recurring.month": ("month", "месяц"),
    "recurring.start": ("start", "начало"),
    "recurring.new": ("new", "новые"),
    "recurring.reactivation": ("back", "вернулись"),
    "recurring.expansion": ("upgrades", "повышения"),
    "recurring.contraction": ("downgrades", "понижения"),
    "recurring.churn": ("lost", "потеряно"),
    "recurring.end": ("end", "конец"),
    "recurring.grr": ("GRR", "GRR"),
    "recurring.nrr": ("NRR", "NRR"),
    "tenure.title": ("Do customers who stayed longer leave less?", "Реже ли уходят те, кто дольше с вами?"),
    "median_stay": ("Median stay", "Медиана срока"),
    "median_stay.meaning": (
        "half of the subscribers leave by then, those who are still there counted as such",
        "к этому сроку уходит половина; кто ещё здесь, учтены как оставшиеся",
    ),
    "picture.stays": (
        "Share of subscribers still there by days since the first one, with bands of 95 %.",
        "Доля оставшихся по дням с начала подписки, с полосами 95 %. Числа в таблице ниже.",
    ),
    "tenure.stretch": ("tenure", "срок"),
    "tenure.from_to": ("{low:one} to {high:one} months", "{low:one}–{high:one} мес."),
    "tenure.events": ("left", "ушли"),
    "tenure.rate": ("lost a month", "теряется за месяц"),
    "tenure.low": ("from", "от"),
    "tenure.high": ("to", "до"),
    "tenure.falls": (
        "Yes, the risk falls with tenure (p {p:p}). That may be loyalty, or the fickle just left first: compare plans "
        "and channels before you reward tenure.",
        "Да, с возрастом риск падает (p {p:p}). Это верность, или непостоянные просто ушли первыми: сравните тарифы и "
        "каналы, прежде чем награждать за срок.",
    ),
    "tenure.rises": (
        "No, the risk rises with tenure (p {p:p}): ask those who have been here for long why they leave.",
        "Нет, с возрастом риск растёт (p {p:p}): спросите давних клиентов, почему они уходят.",
    ),
    "tenure.level": (
        "No trend that could be told from chance (p {p:p}).",
        "Тенденции, отличимой от случайности, нет (p {p:p}).",
    ),
    "plans.title": ("Which plan loses most?", "Какой тариф теряет больше всех?"),
    "plans.plan": ("plan", "тариф"),
    "plans.none": ("(none)", "(без тарифа)"),
    "plans.end": ("subscribers", "подписчики"),
    "plans.lost": ("lost", "потеряны"),
    "plans.churn": ("churn a month", "отток за месяц"),
    "plans.low": ("from", "от"),
    "plans.high": ("to", "до"),
    "plans.apart": (
        "{worst:name} loses {high:percent} a month and {best:name} {low:percent}: more than chance.",
        "{worst:name} теряет {high:percent} в месяц, а {best:name} — {low:percent}: это не случайность.",
    ),
}
