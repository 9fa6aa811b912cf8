package io.sparkweld
package rules

import java.io.File

import io.sparkweld.SparkWeldConf
import io.sparkweld.compile.FunctionService
import io.sparkweld.contract.{CompileRequest, Operation}
import io.sparkweld.spark.CurrentSpark
import io.sparkweld.support.{Refusal, WarnOnce}

import org.apache.spark.sql.catalyst.expressions.PythonUDF
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan
import org.apache.spark.sql.internal.SQLConf

/**
 * Asks the compile service for a folder's certified counterpart of a UDF's model.
 *
 * @param file the file that identifies each counterpart's directory
 * @param asking adds the folder to a request, with a string that changes when the folder does, so that no earlier answer is reused
 */
private[rules] final class CertifiedModels[R](
    operation: Operation[R], file: String, asking: (CompileRequest, String, String) => CompileRequest) {

  /**
   * Returns the service's reply about a UDF of `node`; None when it refuses, with one warning if the folder is at fault. A
   * session names the folder: a driver that reads no functions of its clients does not read their folders either.
   */
  def of(udf: PythonUDF, node: LogicalPlan, service: FunctionService, conf: SQLConf, folder: File): Option[R] =
    if (SparkWeldConf.Unpickle.get(CurrentSpark.activeSparkConf)) asked(udf, node, service, conf, folder) else None

  private def asked(udf: PythonUDF, node: LogicalPlan, service: FunctionService, conf: SQLConf, folder: File): Option[R] = {
    val reply = for {
      request <- FunctionRequest.of(operation, udf, CatalystEquivalents.columnsOf(node.children), conf)
      answer <- request.having(asking(_, folder.getPath, stateOf(folder))).answer(service, conf)
    } yield answer
    reply.left.foreach(_.filter(_.category == "approximation").foreach(warn))
    reply.toOption
  }

  /** Warns once for each reason that the full model scores every row. */
  def warn(refusal: Refusal): Unit =
    WarnOnce(s"${operation.name}:${refusal.code}:${refusal.message}", s"SparkWeld: the full model scores every row. ${refusal.text}")

  private def stateOf(folder: File): String = {
    val places = folder +: Option(folder.listFiles).toSeq.flatten.sorted
    places.map(new File(_, file)).map(found => s"${found.length}:${found.lastModified}").mkString(" ")
  }
}
