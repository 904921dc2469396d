"""Texts of the questions that prepaid packages answer."""

PREPAID = {
    "till.title": ("Whose money is in the till?", "Чьи деньги в кассе?"),
    "till.yours": (
        "Cash in hand {cash:about}, of which {owed:about} belongs to customers: {free:about} is yours.",
        "В кассе {cash:about}, из них {owed:about} принадлежат клиентам: ваши — {free:about}.",
    ),
    "till.spent": (
        "Cash in hand {cash:about}, and {owed:about} belongs to customers: {free:about} of their money has been spent.",
        "В кассе {cash:about}, а клиентам принадлежат {owed:about}: {free:about} их денег уже потрачено.",
    ),
    "till.issues": (
        "{count:count} events could not be booked and are left out",
        "не удалось учесть событий: {count:count}, их здесь нет",
    ),
    "cash": ("Cash in hand", "Остаток денег"),
    "cash.meaning": ("as given", "как указано"),
    "free_cash": ("Cash that is yours", "Ваши деньги в кассе"),
    "free_cash.meaning": (
        "cash less what is owed; below 0 when customers' money has been spent",
        "остаток за вычетом долга клиентам; меньше 0 — деньги клиентов потрачены",
    ),
    "owed": ("Owed to customers", "Долг клиентам"),
    "owed.meaning": ("paid for packages and not worked off", "оплачено за пакеты и не отработано"),
    "prepaid_collections": ("Collected", "Получено"),
    "prepaid_collections.meaning": ("paid for packages, from the first event on", "оплачено за пакеты за всё время"),
    "prepaid_earned": ("Earned", "Заработано"),
    "prepaid_earned.meaning": (
        "worked off: the price of the sessions delivered",
        "отработано: цена проведённых занятий",
    ),
    "prepaid_refunds_paid": ("Paid back", "Возвращено"),
    "prepaid_refunds_paid.meaning": ("refunds to customers", "возвраты клиентам"),
    "prepaid_breakage": ("Breakage", "Сгорело"),
    "prepaid_breakage.meaning": (
        "paid and not used in time: income that nobody worked for",
        "оплачено и не использовано в срок: доход без работы",
    ),
    "cost_to_serve": ("Cost of what is owed", "Стоимость обязательств"),
    "cost_to_serve.meaning": ("what delivering all sessions left will cost", "во что обойдутся все оставшиеся занятия"),
    "refundable": ("Refundable today", "К возврату сегодня"),
    "refundable.meaning": (
        "what would be paid back if everybody asked for it, by the rules of the plans",
        "сколько пришлось бы вернуть, если попросят все, по правилам тарифов",
    ),
    "till.less": (
        "Of every unit collected in the last {months:count} months {share:ratio} was earned: the rest is a debt "
        "of work.",
        "Из каждой полученной за последние месяцы ({months:count}) единицы заработано {share:ratio}: остальное — долг "
        "работой.",
    ),
    "till.more": (
        "For every unit collected in the last {months:count} months {share:ratio} was earned: old debts are being "
        "worked "
        "off.",
        "На каждую полученную за последние месяцы ({months:count}) единицу заработано {share:ratio}: отрабатываются "
        "старые долги.",
    ),
    "picture.till": (
        "Collected and earned by month, and what was owed at its end.",
        "Получено и заработано по месяцам и долг на конец месяца. Числа в таблице ниже.",
    ),
    "till.month": ("month", "месяц"),
    "till.collections": ("collected", "получено"),
    "till.earned": ("earned", "заработано"),
    "till.breakage": ("breakage", "сгорело"),
    "till.refunds_paid": ("paid back", "возвращено"),
    "till.liability": ("owed", "долг"),
    "till.ratio": ("ratio", "отношение"),
    "till.explained": (
        "Ratio: money earned for every unit collected in the month; below 1 the debt grows.",
        "Отношение: сколько заработано на единицу полученного за месяц; меньше 1 — долг растёт.",
    ),
    "dormant.title": ("Who has paid, and does not come?", "Кто заплатил и не приходит?"),
    "silent": ("Silent customers with sessions left", "Молчащие клиенты с остатком занятий"),
    "silent.meaning": ("not seen for {days:days} or more", "не приходили {days:days} и дольше"),
    "silent_owed": ("Owed to them", "Долг перед ними"),
    "silent_owed.meaning": ("what they paid and have not had", "оплачено и не получено"),
    "silent_cost": ("Cost when they come", "Расход, когда придут"),
    "silent_cost.meaning": ("what delivering their sessions will cost", "во что обойдутся их занятия"),
    "dormant.call": (
        "Call those to whom most is owed while a reminder still helps; their money must be in the till when they come.",
        "Позвоните тем, кому должны больше всех, пока напоминание помогает; деньги для них должны быть в кассе.",
    ),
    "dormant.customer": ("customer", "клиент"),
    "dormant.left": ("sessions left", "осталось занятий"),
    "dormant.owed": ("owed", "долг"),
    "dormant.cost": ("cost", "расход"),
    "dormant.days": ("days silent", "дней молчания"),
    "expiring": ("Packages about to end", "Пакеты на исходе"),
    "expiring.meaning": (
        "end within {days:days} with something left, worth {owed:money}",
        "кончаются в ближайшие {days:days} с остатком на {owed:money}",
    ),
    "audit.title": ("Does the book add up?", "Сходится ли книга?"),
    "audit_checks": ("Identities checked", "Проверено равенств"),
    "audit_checks.meaning": ("to the last minor unit", "до последней копейки"),
    "audit.passed": ("The book adds up.", "Книга сходится."),
    "audit.broken": ("{count:count} identities are broken.", "Нарушено равенств: {count:count}."),
    "audit.issues": (
        "{count:count} events contradict the others or the plans and were left out; mend them:",
        "События, противоречащие другим или тарифам, не учтены ({count:count}); исправьте их:",
    ),
    "issues.row": ("row", "строка"),
    "issues.event": ("event", "событие"),
    "issues.reason": ("what is wrong", "что не так"),
    "gap.title": ("When does the cash run out?", "Когда кончатся деньги?"),
    "gap_spend": ("Chance of a gap if you spend it", "Риск разрыва, если тратить"),
    "gap_spend.meaning": (
        "packages alone against the fixed costs; all that is in the till is drawn each month; cash below 0 at least "
        "once in {months:count} months",
        "одни пакеты против постоянных расходов; каждый месяц забирается всё, что в кассе; меньше 0 хотя бы раз за "
        "месяцев: {months:count}",
    ),
    "gap_hold": ("Chance of a gap if you hold it", "Риск разрыва, если хранить"),
    "gap_hold.meaning": (
        "packages alone against the fixed costs; what is owed to customers stays in the till; cash below 0 at least "
        "once in {months:count} months",
        "одни пакеты против постоянных расходов; долг клиентам остаётся в кассе; меньше 0 хотя бы раз за месяцев: "
        "{months:count}",
    ),
    "gap.when": (
        "If all that comes in is drawn, half of the simulated futures run out of cash by {month:text}, and the usual "
        "gap is "
        "{depth:about} deep.",
        "Если забирать всё поступившее, в половине сценариев деньги кончаются к месяцу {month:text}, обычная глубина "
        "разрыва {depth:about}.",
    ),
    "gap.maybe": (
        "A gap is less likely than not, and less likely still if what is owed stays in the till.",
        "Разрыв скорее не случится, и ещё менее вероятен, если долг клиентам остаётся в кассе.",
    ),
    "gap.none": (
        "Holding back what is owed makes no difference to the gaps here.",
        "Хранение долга здесь не меняет риска разрыва.",
    ),
    "gap.costs": (
        "Even if what is owed is held, {share:percent} of the simulated futures have a gap: packages sold at this "
        "level do not pay for the fixed costs by themselves.",
        "Даже если хранить долг, разрыв в {share:percent} сценариев: одних пакетов при таких продажах не хватает на "
        "постоянные расходы.",
    ),
    "picture.gap": (
        "Cash and what is owed in the coming months, if all that comes in is drawn; bands hold 90 % of the simulated "
        "futures.",
        "Деньги и долг клиентам в ближайшие месяцы, если забирать всё; в полосах 90 % сценариев.",
    ),
    "gap.policy": ("policy", "правило"),
    "gap.policy_0": ("spend what comes in", "тратить поступившее"),
    "gap.policy_1": ("hold what is owed", "хранить долг клиентам"),
    "gap.probability": ("chance of a gap", "риск разрыва"),
    "gap.depth_50": ("depth, median", "глубина, медиана"),
    "gap.depth_95": ("depth, 95 %", "глубина, 95 %"),
    "gap.duration_95": ("months short, 95 %", "месяцев нехватки, 95 %"),
    "gap.drawn_50": ("drawn, median", "забрано, медиана"),
    "gap.outside": (
        "Only packages are set against the fixed costs: income from outside them (desk sales, subscriptions) is not "
        "in this forecast, and would make a gap less likely.",
        "Постоянным расходам противопоставлены только пакеты: доходов помимо них (разовые продажи, подписки) в "
        "прогнозе нет, с ними разрыв менее вероятен.",
    ),
    "gap.no_refunds": (
        "Plans without refunds: {plans:names}. The forecast has one rule for all plans, so it pays nothing back on "
        "any. What was paid back in the last {months:count} months came to {paid:money}: paying back as much again "
        "would leave less cash than shown, and make a gap more likely.",
        "Тарифы без возврата денег: {plans:names}. Правило в прогнозе одно на все тарифы, поэтому возвратов в нём нет "
        "совсем. За последние месяцы ({months:count}) возвращено {paid:money}: при таких же возвратах денег будет "
        "меньше, чем показано, а разрыв вероятнее.",
    ),
    "gap.supposed": (
        "Supposed: sales go on as in the last year, as much as {sales:one} packages of {plan:name} a month, with "
        "chance; "
        "customers come back as the book shows; fixed costs are {costs:money} a month. {paths:count} simulated "
        "futures of {months:count} months. The limits say how far their number leaves the chance open, no more.",
        "Предположения: продажи как в последний год, что равно {sales:one} пакета {plan:name} в месяц, со "
        "случайностью; "
        "клиенты возвращаются, как показывает книга; постоянные расходы {costs:money} в месяц. Сценариев "
        "{paths:count}, "
        "месяцев {months:count}. Границы отражают только число сценариев.",
    ),
}
