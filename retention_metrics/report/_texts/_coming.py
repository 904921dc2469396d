"""Texts of what customers will still buy."""

COMING = {
    "coming.title": ("Who will buy again?", "Кто купит снова?"),
    "alive": ("Still customers, expected", "Ещё клиенты, по прогнозу"),
    "alive.meaning": (
        "sum of each customer's probability of not having left, by how often and how recently each bought",
        "сумма вероятностей того, что клиент не ушёл: по тому, как часто и как недавно он покупал",
    ),
    "buyers": ("Will come again, expected", "Придут снова, по прогнозу"),
    "buyers.meaning": (
        "customers with a purchase in the next {months:count} months",
        "клиенты с покупкой в ближайшие {months:count} месяца",
    ),
    "coming": ("Purchases to come", "Будущие покупки"),
    "coming.meaning": (
        "expected in the next {months:count} months from the customers there are; purchases are days with one",
        "ожидаются за {months:count} месяца от имеющихся клиентов; покупка — день, в который что-то куплено",
    ),
    "bring": ("Revenue to come", "Будущая выручка"),
    "bring.meaning": (
        "what these purchases bring in {months:count} months; mean orders of single customers are drawn towards the "
        "mean of all",
        "сколько принесут эти покупки за {months:count} месяца: средний чек каждого клиента, сближенный с общим",
    ),
    "bring_margin": ("Margin to come", "Будущая маржа"),
    "bring_margin.meaning": (
        "what these purchases leave after variable costs in {months:count} months; mean orders of single customers are "
        "drawn towards the mean of all",
        "сколько останется от этих покупок за {months:count} месяца: средний чек клиента, сближенный с общим",
    ),
    "coming.no_money": (
        "What the purchases bring is left open: mean orders do not allow a model of spend.",
        "Сколько принесут покупки, неизвестно: средние чеки не позволяют построить модель.",
    ),
    "coming.netted": (
        "Customers whose repeat purchases net to nothing after refunds are left out of the money: {customers:count}.",
        "В деньгах не учтены клиенты, чьи повторные покупки возвращены целиком: {customers:count}.",
    ),
    "coming.checked": (
        "The same forecast made on {split:day} would have said {expected:count} purchases until now; {actual:count} "
        "came. Past rates simply carried on would have said {naive:count}.",
        "Такой же прогноз на {split:day} дал бы к сегодняшнему дню {expected:count} покупок; было {actual:count}. Если "
        "просто продолжить прежний темп каждого клиента, вышло бы {naive:count}.",
    ),
    "coming.far_out": (
        "The forecast missed what came by more than a quarter, so do not plan on it: something has changed, or "
        "customers do not buy at random times.",
        "Прогноз ошибся больше чем на четверть, не стройте на нём планов: что-то изменилось, или клиенты покупают "
        "не в случайные дни.",
    ),
    "coming.explained": (
        "By the MBG/NBD model: everybody buys at random at a rate of their own, and after any purchase may leave for "
        "good. Limits say how far the estimates are open; chance adds to that. New customers are not in it.",
        "По модели MBG/NBD: каждый покупает в случайные дни в своём темпе и после любой покупки может уйти навсегда. "
        "Границы говорят о точности оценок, случай добавит своё. Новые клиенты не учтены.",
    ),
    "coming.past": ("repeat purchases until then", "повторных покупок до того"),
    "coming.customers": ("customers", "клиенты"),
    "coming.actual": ("came, each", "было на каждого"),
    "coming.expected": ("forecast, each", "прогноз на каждого"),
    "coming.naive": ("past rate, each", "прежний темп, на каждого"),
    "picture.tracking": (
        "Repeat purchases as they came, and as a forecast made before the grey months expects them.",
        "Повторные покупки: сколько было и сколько ожидал прогноз, сделанный до серых месяцев.",
    ),
}
