"""Texts of the questions that advertising spend answers."""

ADS = {
    "ads.title": ("What does a new customer cost and bring?", "Сколько стоит и приносит новый клиент?"),
    "spend": ("Spent on advertising", "Потрачено на рекламу"),
    "spend.meaning": ("from {first:day} to {last:day}", "с {first:day} по {last:day}"),
    "won": ("Customers won by it", "Привлечено клиентов"),
    "won.meaning": ("first order in that time from a paid channel", "первый заказ за это время из платного канала"),
    "won.lagged": (
        "first order from a paid channel, {lag:days} after the spend",
        "первый заказ из платного канала, через {lag:days} после расхода",
    ),
    "cac": ("Cost of a new customer", "Цена нового клиента (CAC)"),
    "cac.meaning": (
        "spend / customers, paid channels together; salaries and tools are in it only if they are in the spend",
        "расход / клиенты, все платные каналы; зарплаты и сервисы — только если они есть в расходах",
    ),
    "ads.nobody": (
        "{spend:money} was spent on {channel:name}, and nobody came: a customer costs at least {least:money} there "
        "(95 % confidence).",
        "На {channel:name} потрачено {spend:money}, и никто не пришёл: клиент стоит там не меньше {least:money} "
        "(уверенность 95 %).",
    ),
    "ads.loses": (
        "The channel {channel:name} loses money: a customer costs {cac:money} and brings {ltv:money}.",
        "Канал {channel:name} в убытке: клиент стоит {cac:money}, а приносит {ltv:money}.",
    ),
    "ads.explained": (
        "Limits are those of the cost, with 95 % confidence; where nobody came, the least that a customer costs. "
        "LTV is "
        "that of customers by their latest source, taken as given. A customer of many channels counts for the first.",
        "Границы относятся к цене, уверенность 95 %; где никто не пришёл, указана наименьшая возможная цена. LTV — "
        "клиентов по их последнему источнику, считается известной. Клиент нескольких каналов учтён за первым.",
    ),
    "ads.later": (
        "{spend:money} spent after {last:day} is left out: who comes of it is not known yet.",
        "{spend:money}, потраченные после {last:day}, не учтены: кто по ним придёт, ещё неизвестно.",
    ),
    "picture.channels": (
        "Lifetime value over cost of a customer by channel; left of 1 a channel costs more than it brings.",
        "Отношение ценности клиента к его цене по каналам; левее 1 канал стоит больше, чем приносит.",
    ),
    "ads.channel": ("channel", "канал"),
    "ads.spend": ("spent", "потрачено"),
    "ads.customers": ("customers", "клиенты"),
    "ads.cac": ("cost of one", "цена одного"),
    "ads.low": ("from", "от"),
    "ads.high": ("to", "до"),
    "ads.ltv": ("LTV", "LTV"),
    "ads.ratio": ("LTV:CAC", "LTV:CAC"),
    "ads.verdict": ("verdict", "вывод"),
    "verdict.pays": ("pays", "окупается"),
    "verdict.loses": ("loses", "в убытке"),
    "verdict.unsure": ("too few customers to tell", "мало клиентов для вывода"),
    "verdict.value unknown": ("depends on the LTV", "зависит от LTV"),
    "verdict.nobody": ("spent, and nobody came", "потрачено, никто не пришёл"),
    "verdict.free": ("nothing spent", "без расходов"),
}
