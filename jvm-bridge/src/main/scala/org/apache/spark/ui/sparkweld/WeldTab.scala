package org.apache.spark.ui.sparkweld

import scala.jdk.CollectionConverters._
import scala.util.Try
import scala.xml.Node

import io.sparkweld.contract.Encoder
import io.sparkweld.ui.{QuerySummary, SparkWeldQuery, SummaryPage}

import org.apache.spark.{SparkConf, SparkContext}
import org.apache.spark.scheduler.{SparkListener, SparkListenerEvent}
import org.apache.spark.sql.execution.ui.SQLAppStatusStore
import org.apache.spark.sql.internal.StaticSQLConf
import org.apache.spark.status.{AppHistoryServerPlugin, ElementTrackingStore}
import org.apache.spark.status.KVUtils.KVIndexParam
import org.apache.spark.ui.{SparkUI, SparkUITab, UIUtils, WebUIPage}
import org.apache.spark.util.kvstore.KVStore

/** A query in the store of the Spark UI, which the History Server may keep on disk. */
private[sparkweld] final class StoredQuery(
    @KVIndexParam val executionId: Long,
    val millis: Long,
    val planningMillis: Long,
    val failed: Boolean,
    val runs: String,
    val explanation: String) {

  def event: SparkWeldQuery =
    SparkWeldQuery(SparkWeldQuery.Version, executionId, millis, planningMillis, failed, Encoder.read(runs), explanation)
}

/** Keeps the events of queries in the store of the Spark UI, as many as the tab SQL keeps. */
private[sparkweld] final class QueryStoreListener(store: ElementTrackingStore, conf: SparkConf) extends SparkListener {
  private val most = conf.get(StaticSQLConf.UI_RETAINED_EXECUTIONS)

  store.addTrigger(classOf[StoredQuery], most.toLong) { count =>
    val extra = (count - most).toInt
    if (extra > 0) {
      val oldest = store.view(classOf[StoredQuery]).max(extra.toLong).asScala.map(_.executionId).toList
      oldest.foreach(store.delete(classOf[StoredQuery], _))
    }
  }

  override def onOtherEvent(event: SparkListenerEvent): Unit = event match {
    case query: SparkWeldQuery if query.version == SparkWeldQuery.Version =>
      store.write(new StoredQuery(query.executionId, query.millis, query.planningMillis, query.failed, query.runs.toString,
        query.explanation), checkTriggers = true)
    case _ => ()
  }
}

/** The tab SparkWeld of the Spark UI: where the functions of an application ran, and why. */
private[sparkweld] final class WeldTab(store: KVStore, ui: SparkUI) extends SparkUITab(ui, "sparkweld") {
  override val name = "SparkWeld"

  attachPage(new WeldPage(this, store))
  attachPage(new WeldQueryPage(this, store))
  ui.attachTab(this)
}

object WeldTab {
  /** Shows the tab in the UI of a running application. */
  def show(context: SparkContext): Unit = context.ui.foreach { ui =>
    context.statusStore.store match {
      case store: ElementTrackingStore =>
        context.listenerBus.addToStatusQueue(new QueryStoreListener(store, context.conf))
        new WeldTab(store, ui)
      case _ => ()
    }
  }
}

/** The pages of the tab: their addresses, and what they show of some queries. */
private[sparkweld] sealed abstract class PageOfTab(prefix: String, tab: WeldTab) extends WebUIPage(prefix) {
  protected def page(request: Request, queries: Seq[StoredQuery]): SummaryPage = {
    def address(path: String) = UIUtils.prependBaseUri(request, tab.basePath, path)
    new SummaryPage(new QuerySummary(queries.map(_.event)), id => address(s"/SQL/execution/?id=$id"),
      id => address(s"/sparkweld/query/?id=$id"))
  }
}

private[sparkweld] final class WeldPage(tab: WeldTab, store: KVStore) extends PageOfTab("", tab) {
  override def render(request: Request): Seq[Node] = {
    val queries = store.view(classOf[StoredQuery]).asScala.toSeq
    UIUtils.headerSparkPage(request, "SparkWeld", page(request, queries).content, tab)
  }
}

/** The page of one query: what became of its functions, and its plan. */
private[sparkweld] final class WeldQueryPage(tab: WeldTab, store: KVStore) extends PageOfTab("query", tab) {
  override def render(request: Request): Seq[Node] = {
    val id = Try(request.getParameter("id").toLong).toOption
    val query = id.flatMap(id => Try(store.read(classOf[StoredQuery], Long.box(id))).toOption)
    val plan = query.flatMap(one => new SQLAppStatusStore(store).execution(one.executionId)).map(_.physicalPlanDescription)
    UIUtils.headerSparkPage(request, s"Query ${id.mkString}", page(request, query.toSeq).ofQuery(plan), tab)
  }
}

/** Shows the tab in the History Server, for applications whose event log has queries of ours. */
final class WeldHistory extends AppHistoryServerPlugin {
  override def createListeners(conf: SparkConf, store: ElementTrackingStore): Seq[SparkListener] =
    Seq(new QueryStoreListener(store, conf))

  override def setupUI(ui: SparkUI): Unit = if (ui.store.store.count(classOf[StoredQuery]) > 0) new WeldTab(ui.store.store, ui)

  override def displayOrder: Int = 100
}
